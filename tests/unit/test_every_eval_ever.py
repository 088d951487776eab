"""Records in the schema of Every Eval Ever: numbers of the record, files that refer to each other."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from answers_fixture import ROOT

from cocktail import cli
from cocktail.errors import RecordError
from cocktail.files.records import digest_file
from cocktail.studies.exchange.every_eval_ever import WITHHELD, export_every_eval_ever

STUDIES = ROOT / "reports/studies"
# Of untuned models there is no run of all sources.
RECORDS = sorted(
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


@pytest.mark.parametrize("record", RECORDS)
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
    ((aggregate, _),) = exported("small", tmp_path, "base")
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


@pytest.mark.parametrize("record", RECORDS)
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
