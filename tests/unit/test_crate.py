"""Each record is an RO-Crate: what, by which code, from which data, with which results."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from answers_fixture import ROOT, study_params

from cocktail import cli
from cocktail.errors import RecordError
from cocktail.files.records import digest_file, read_json
from cocktail.studies.exchange.crate import METADATA, SPEC, make_crate, write_crate
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
