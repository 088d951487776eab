"""Each record is an RO-Crate: what, by which code, from which data, with which results.

Records in the schema of Every Eval Ever: numbers of the record, files that refer to each other.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from answers_fixture import ROOT, study_params

from cocktail import cli
from cocktail.errors import RecordError
from cocktail.files.records import digest_file, read_json
from cocktail.studies.exchange.crate import METADATA, SPEC, make_crate, write_crate
from cocktail.studies.exchange.every_eval_ever import WITHHELD, export_every_eval_ever
from cocktail.studies.record import record

RECORDS = sorted(path.parent for path in (ROOT / "reports/studies").glob("*/manifest.json"))


def references(value: Any) -> Iterator[str]:
    """Every id that an entity points to."""
    if isinstance(value, list):
        for one in value:
            yield from references(one)
    elif isinstance(value, dict):
        if value.keys() == {"@id"}:
            yield value["@id"]
        else:
            for one in value.values():
                yield from references(one)


def entities(crate: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = {one["@id"]: one for one in crate["@graph"]}
    assert len(found) == len(crate["@graph"]), "an id stands twice"
    return found


@pytest.mark.parametrize("folder", RECORDS, ids=lambda path: path.name)
def test_every_record_of_any_version_is_a_crate(folder: Path) -> None:
    crate, manifest = make_crate(folder), read_json(folder / "manifest.json")
    found = entities(crate)
    assert [one for one in references(crate["@graph"]) if one not in {*found, SPEC}] == []
    assert found[METADATA]["conformsTo"] == {"@id": SPEC}
    root = found["./"]
    assert {"name", "description", "datePublished", "license", "hasPart"} <= root.keys()
    assert len(root["datePublished"]) == 10
    parts = {one["@id"] for one in root["hasPart"]}
    assert {"manifest.json", "items.parquet", "tables/README.md"} <= parts and METADATA not in parts
    for name in parts:
        assert found[name]["sha256"] == digest_file(folder / name)
    assert found["#code"]["version"] == manifest["git"]["commit"]
    used = {*manifest["params"]["study"]["tasks"], *manifest["params"]["study"]["evaluations"]}
    for name in used:
        source = found[f"#data-{name}"]
        licence = found[source["license"]["@id"]]["name"]
        stated = manifest["params"]["fetch"]["sources"][name]["licence"]
        assert "".join(filter(str.isalnum, licence.lower())) == "".join(filter(str.isalnum, stated.lower()))
        digested = [one for one in manifest["params"]["fetch"]["sources"][name]["files"] if one["sha256"]]
        assert all(one["sha256"] in source["description"] for one in digested)
        assert "sha256" in source["description"] or "md5" in source["description"]
    claims = read_json(folder / "claims.json")["claims"]
    verdicts = {claim["id"] for claim in claims if claim["verdicts"]}
    assert {f"#verdict-{name}" for name in verdicts} == {one["@id"] for one in root["variableMeasured"]}
    assert make_crate(folder) == crate


@pytest.mark.parametrize("folder", RECORDS, ids=lambda path: path.name)
def test_the_crate_that_is_kept_is_that_of_the_files(folder: Path) -> None:
    """The date aside: a clone that was cut does not know the commit."""
    kept, fresh = (entities(one) for one in (read_json(folder / METADATA), make_crate(folder)))
    assert {**kept, "./": kept["./"] | {"datePublished": ""}} == {
        **fresh,
        "./": fresh["./"] | {"datePublished": ""},
    }, "run: cocktail export ro-crate"


@pytest.mark.parametrize("folder", RECORDS[:2], ids=lambda path: path.name)
def test_the_library_reads_a_crate(folder: Path, tmp_path: Path) -> None:
    reason = "rocrate is not in the lock: pip install -e '.[interop]' in another environment"
    pytest.importorskip("rocrate", reason=reason)
    from rocrate.rocrate import ROCrate

    copied = Path(shutil.copytree(folder, tmp_path / folder.name))
    write_crate(copied)
    crate = ROCrate(copied)
    assert crate.name.startswith("Cocktail, study ")
    assert len(crate.get_entities()) == len(make_crate(copied)["@graph"])
    assert crate.dereference("#run")["instrument"].id == "#code"
    assert crate.dereference("items.parquet")["sha256"] == digest_file(copied / "items.parquet")
    crate.write(tmp_path / "again")
    assert (tmp_path / "again/items.parquet").is_file()


def test_a_fresh_record_is_one_and_counts_its_kept_runs(
    finished_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished_study, tmp_path / "study")
    monkeypatch.setenv("COCKTAIL_STORE", str(tmp_path / "store"))
    folder = record(tmp_path / "study/reports", study_params())
    crate = json.loads((folder / METADATA).read_text(encoding="utf-8"))
    assert crate == make_crate(folder)
    assert "generated" in entities(crate)["#data-fpb"]["description"]


def test_the_command_writes_them_all_and_refuses_what_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(RECORDS[-1], tmp_path / "reports/studies" / RECORDS[-1].name)
    (tmp_path / "conf").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["cocktail", "export", "ro-crate"])
    cli.main()
    assert capsys.readouterr().out == f"reports/studies/{RECORDS[-1].name}/{METADATA}\n"
    with pytest.raises(RecordError, match="no record here"):
        write_crate(tmp_path)


STUDIES = ROOT / "reports/studies"
# Of untuned models there is no run of all sources.
MIXED = sorted(
    path.parent.name
    for path in STUDIES.glob("*/items.parquet")
    if "all" in set(pd.read_parquet(path, columns=["run"])["run"])
)


def exported(record: str, out: Path, *runs: str) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Aggregate and samples of each run."""
    paths = export_every_eval_ever(STUDIES / record, out, runs=runs)
    pairs = zip(paths[::2], paths[1::2], strict=True)
    texts = [(one.read_text(encoding="utf-8"), two.read_text(encoding="utf-8")) for one, two in pairs]
    return [(json.loads(one), [json.loads(line) for line in two.splitlines()]) for one, two in texts]


@pytest.mark.parametrize("record", MIXED)
def test_scores_are_those_of_the_record(record: str, tmp_path: Path) -> None:
    items = pd.read_parquet(STUDIES / record / "items.parquet")
    mine = items[items["run"] == "all"].astype("str")
    ((aggregate, samples),) = exported(record, tmp_path, "all")
    for result in aggregate["evaluation_results"]:
        reading = result["metric_config"]["metric_id"].rpartition("_")[2]
        codes = mine[mine["task"] == result["evaluation_name"]][reading]
        codes = codes[codes != ""]
        assert result["score_details"]["score"] == pytest.approx((codes == "ok").mean(), abs=1e-12)
        assert result["score_details"]["uncertainty"]["num_samples"] == len(codes)
    assert [one["sample_id"] for one in samples] == mine["item"].tolist()
    strict = [one["evaluation"]["is_correct"] for one in samples]
    assert strict == (mine["strict"] == "ok").tolist()
    results = {one["evaluation_result_id"]: one for one in aggregate["evaluation_results"]}
    assert {one["evaluation_result_id"] for one in samples} <= results.keys()
    assert {one["input"]["raw"] for one in samples} == {WITHHELD}
    detailed = aggregate["detailed_evaluation_results"]
    assert detailed["total_rows"] == len(samples)
    assert detailed["checksum"] == digest_file(tmp_path / detailed["file_path"])


def test_sources_that_are_the_hubs_are_named_and_others_are_not(tmp_path: Path) -> None:
    ((aggregate, _), *_) = exported("untuned", tmp_path, "base")  # of three models, on the same data
    sources = {one["evaluation_name"]: one["source_data"] for one in aggregate["evaluation_results"]}
    assert sources["fpb"]["additional_details"]["licence"] == "CC BY-NC-SA 3.0"
    hub = {name for name, one in sources.items() if one["source_type"] == "hf_dataset"}
    statuses = {name: one["additional_details"]["status"] for name, one in sources.items()}
    assert hub == {name for name, status in statuses.items() if status in ("original", "partial")} != set()
    ((generated, _),) = exported("tiny", tmp_path, "base")
    kinds = {one["source_data"]["source_type"] for one in generated["evaluation_results"]}
    assert kinds == {"other"}


@pytest.mark.slow
def test_the_same_record_gives_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    once, again = (exported("tiny", tmp_path / name, "all", "base") for name in ("a", "b"))
    assert once == again and len(once) == 2
    assert once[0][0]["evaluation_id"].endswith("/1700000000")


@pytest.mark.parametrize("record", MIXED)
def test_files_are_valid(record: str, tmp_path: Path) -> None:
    """By the schema that the package every-eval-ever brings; its schema is not ours to copy."""
    reason = "every-eval-ever needs Python 3.12 and is not in the lock: pip install -e '.[interop]' there"
    jsonschema = pytest.importorskip("jsonschema", reason=reason)
    package = pytest.importorskip("every_eval_ever", reason=reason)
    schemas = Path(package.__file__).parent / "schemas"
    whole, instance = (
        jsonschema.Draft7Validator(json.loads((schemas / f"{name}.schema.json").read_text(encoding="utf-8")))
        for name in ("eval", "instance_level_eval")
    )
    for aggregate, samples in exported(record, tmp_path, "all", "base"):
        whole.validate(aggregate)
        for sample in samples[:50]:
            instance.validate(sample)
    broken = {**aggregate, "schema_version": 3}
    assert not whole.is_valid(broken)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="did you mean 'tiny'"):
        export_every_eval_ever(STUDIES / "tinny", tmp_path)
    with pytest.raises(RecordError, match="no run 'al'"):
        export_every_eval_ever(STUDIES / "tiny", tmp_path, runs=["al"])
    assert list(tmp_path.iterdir()) == []


def test_the_command_asks_for_a_record_and_a_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    words = ["cocktail", "export", "every-eval-ever", "--run", "all"]
    for more, told in (([], "--out"), (["--out", str(tmp_path)], "--study NAME")):
        monkeypatch.setattr(sys, "argv", [*words, *more])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        assert stopped.value.code == 2 and told in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", [*words, "--study", "tiny", "--out", str(tmp_path)])
    cli.main()
    assert capsys.readouterr().out == f"2 files are in {tmp_path}\n"
    monkeypatch.setattr(
        sys, "argv", ["cocktail", "export", "--study", "tiny", "--out", str(tmp_path / "tables")]
    )
    cli.main()
    assert (tmp_path / "tables/main.tex").is_file()
