"""Recording a study and comparing a fresh one with it; the README's block."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from answers_fixture import study_params

from cocktail import record as module
from cocktail.errors import RecordError
from cocktail.record import differences, record, verify
from cocktail.records import read_json, write_json
from cocktail.report.readme import END, START, render_readme

PARAMS = study_params()
RUNS = 1 + 15 + 2 + 30  # base, mixtures, a tuned single of each target; confirmed: ten a seed


@pytest.fixture(scope="module")
def recorded(finished_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished and recorded study; read only."""
    folder = tmp_path_factory.mktemp("recorded")
    shutil.copytree(finished_study, folder / "clone")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COCKTAIL_STORE", str(folder / "store"))
        record(folder / "clone/reports", PARAMS)
    return folder / "clone"


@pytest.fixture
def reports(recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The reports of a recorded study, to be changed."""
    monkeypatch.setenv("COCKTAIL_STORE", str(tmp_path / "store"))
    shutil.copytree(recorded, tmp_path / "clone")
    return tmp_path / "clone/reports"


def change_metric(reports: Path, points: float) -> None:
    numbers = read_json(reports / "metrics.json")
    numbers["phi3_smoke"]["confirmed"]["fpb"]["all"] += points
    write_json(reports / "metrics.json", numbers)


def test_a_record_holds_results_outcomes_and_manifest(reports: Path) -> None:
    folder = reports / "studies/smoke"
    for name in ("metrics.json", "effects.json", "tables/main.md", "figures/bars_phi3_smoke.png"):
        assert (folder / name).read_bytes() == (reports / name).read_bytes()
    items = pd.read_parquet(folder / "items.parquet")
    assert len(items) == RUNS * 4 * 60  # evaluations, test rows
    assert len(items) == len(items.drop_duplicates(["model", "stage", "run", "item"]))
    assert set(items.columns) == {
        "model",
        "stage",
        "run",
        "task",
        "item",
        "cluster",
        "strict",
        "lenient",
        "knowledge",
    }
    manifest = read_json(folder / "manifest.json")
    assert manifest["params"] == PARAMS.model_dump()
    assert manifest["digests"]["outputs"] == {"data/raw": "0a"}
    assert len(manifest["git"]["commit"]) == 40
    assert manifest["hardware"]["cpu"]
    assert (manifest["runtime"]["runs"], manifest["runtime"]["runs_with_times"]) == (RUNS, 0)


def test_times_come_from_the_store_by_the_receipt(reports: Path, tmp_path: Path) -> None:
    receipt = reports.parent / "artifacts/answers/phi3_smoke/explore/all.json"
    entry = tmp_path / "store/answers/ab/abcd"
    entry.mkdir(parents=True)
    shutil.copyfile(receipt, entry / "receipt.json")
    facts = {"seconds": {"training": 3.0, "answering": 1.0}, "peak_memory_bytes": 5}
    write_json(entry / "runtime.json", facts)
    runtime = read_json(record(reports, PARAMS) / "manifest.json")["runtime"]
    assert (runtime["runs_with_times"], runtime["training_seconds"], runtime["peak_memory_bytes"]) == (
        1,
        3.0,
        5,
    )


def test_equal_numbers_pass(reports: Path) -> None:
    assert "exactly" in verify(reports, PARAMS)


def test_on_the_same_machine_a_hundredth_of_a_point_is_seen(reports: Path) -> None:
    change_metric(reports, 0.01)
    with pytest.raises(RecordError, match=r"confirmed\.fpb\.all: recorded"):
        verify(reports, PARAMS)


def test_on_another_cpu_a_tolerance_holds(reports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "hardware", lambda: {"cpu": "another", "gpus": []})
    change_metric(reports, module.TOLERANCE_POINTS - 0.1)
    assert "within" in verify(reports, PARAMS)
    change_metric(reports, 0.2)
    with pytest.raises(RecordError, match="1 numbers are not within"):
        verify(reports, PARAMS)


def test_counts_missing_and_new_numbers_are_never_tolerated() -> None:
    fresh = {"m": {"count": {"test_items": 3}, "a": 1.0, "new": 1.0}}
    recorded = {"m": {"count": {"test_items": 4}, "a": 2.0, "old": 1.0}}
    assert differences(fresh, recorded, tolerance=5) == [
        "m.new: not in the record",
        "m.old: not in the fresh numbers",
        "m.count.test_items: recorded 4, fresh 3",
    ]


def test_a_variant_and_an_unrecorded_study_say_so(reports: Path) -> None:
    variant = study_params("smoke", "study.targets=[fpb,finqa]", "train.learning_rate=5.0e-4")
    assert re.search(r"train\.learning_rate: \S+ → 0\.0005", verify(reports, variant))
    shutil.rmtree(reports / "studies")
    assert "never recorded" in verify(reports, PARAMS)


def test_reports_of_another_study_are_not_recorded(reports: Path) -> None:
    with pytest.raises(RecordError, match="'smoke', params of 'tiny'"):
        record(reports, study_params("tiny", "study.name=tiny"))


def test_what_is_missing_is_said(reports: Path) -> None:
    (reports.parent / "dvc.lock").unlink()
    with pytest.raises(RecordError, match=r"no dvc\.lock"):
        record(reports, PARAMS)


def test_the_readme_block_comes_from_recorded_studies_only(reports: Path) -> None:
    text = f"before\n{START}\nold\n{END}\nafter\n"
    rendered = render_readme(text, reports / "studies")
    assert rendered.startswith(f"before\n{START}\n") and rendered.endswith(f"{END}\nafter\n")
    assert "### Study smoke" in rendered and "| fpb |" in rendered and "old" not in rendered
    assert render_readme(rendered, reports / "studies") == rendered
    assert "No study is recorded yet." in render_readme(text, reports / "none")


@pytest.mark.parametrize("text", ["nothing", f"{END}{START}", f"{START}{START}{END}"])
def test_a_readme_without_its_marks_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="README needs one"):
        render_readme(text, tmp_path)
