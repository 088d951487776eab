"""The score stage: every item once, every row in the denominator, no trace of runs off the list."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from answers_fixture import study_params, tolerance

from cocktail.errors import DataError, RecordError
from cocktail.files.records import read_json, write_json, write_table
from cocktail.scoring.score import score_study

ANSWERS = "artifacts/answers/phi3_smoke"


@pytest.fixture
def study(finished_study: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished_study / "data", tmp_path / "data")
    shutil.copytree(finished_study / "artifacts", tmp_path / "artifacts")
    return tmp_path


def score(root: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    params = study_params()
    return score_study(
        root / "data/prepared",
        root / "artifacts/answers",
        root / "artifacts/scores",
        models=list(params.models),
        tolerance=tolerance(params),
    )


def edit(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    write_table(path, change(pd.read_parquet(path)))


def test_summary_counts_every_test_row_and_agrees_with_the_items(finished_study: Path) -> None:
    items = pd.read_parquet(finished_study / "artifacts/scores/items.parquet")
    summary = pd.read_parquet(finished_study / "artifacts/scores/summary.parquet")
    assert set(summary[summary["split"] == "test"]["n"]) == {60}
    keys = ["model", "stage", "run", "task", "split"]
    for way in ("strict", "lenient"):
        codes = items.groupby(keys)[way].agg(
            ok=lambda c: (c == "ok").mean(), bad=lambda c: (c == "invalid").sum()
        )
        joined = summary.set_index(keys).join(codes)
        assert joined[f"accuracy_{way}"].tolist() == pytest.approx(joined["ok"].tolist())
        assert joined[f"invalid_{way}"].tolist() == joined["bad"].tolist()
    assert summary["invalid_strict"].sum() > 0
    # The fixture's label decoding is always right, and only on test rows of tasks with labels.
    assert set(items["knowledge"]) == {"ok", ""}
    has_labels = items["task"].isin(["fpb", "knowledge"]) & (items["split"] == "test")
    assert (items["knowledge"] == "ok").equals(has_labels)


def test_runs_of_one_mixture_are_grouped_by_its_column(finished_study: Path) -> None:
    """The accuracy of an arm, from the table of items alone, is that of the arms in comparison.json."""
    items = pd.read_parquet(finished_study / "artifacts/scores/items.parquet")
    confirmed = items[(items["stage"] == "confirm") & (items["split"] == "test")]
    assert (confirmed["run"] == confirmed["mixture"] + "-s" + confirmed["seed"].astype(str)).all()
    explored = items[items["stage"] == "explore"]
    assert (explored["run"] == explored["mixture"]).all()
    shares = (confirmed["strict"] == "ok").groupby([confirmed["mixture"], confirmed["task"]]).mean()
    arms = [
        row
        for row in read_json(finished_study / "reports/comparison.json")["arms"]
        if row["stage"] == "confirm"
    ]
    assert arms
    for row in arms:
        assert row["accuracy_strict"] == pytest.approx(shares[row["mixture"], row["task"]])


@pytest.mark.slow
def test_an_invalid_answer_stays_in_the_denominator(study: Path) -> None:
    path = study / ANSWERS / "explore/all.parquet"
    edit(path, lambda table: table.assign(answer=table["answer"].where(table["task"] != "fpb", "  ")))
    summary = score(study)[1].set_index(["stage", "run", "task", "split"])
    row = summary.loc[("explore", "all", "fpb", "test")]
    assert (row["n"], row["invalid_strict"], row["empty"], row["accuracy_strict"]) == (60, 60, 60, 0)


def test_a_run_off_the_list_is_refused(study: Path) -> None:
    folder = study / ANSWERS / "explore"
    for ending in ("parquet", "json"):
        shutil.copyfile(folder / f"all.{ending}", folder / f"stale.{ending}")
    with pytest.raises(RecordError, match=r"stale\.parquet is there but not listed"):
        score(study)


@pytest.mark.slow
def test_a_listed_run_without_a_file_is_refused(study: Path) -> None:
    (study / ANSWERS / "confirm/all-s101.parquet").unlink()
    with pytest.raises(RecordError, match=r"all-s101\.parquet is listed but not there"):
        score(study)


def test_a_run_listed_twice_is_refused(study: Path) -> None:
    index = study / ANSWERS / "explore/index.json"
    write_json(index, {"runs": [*read_json(index)["runs"], "all"]})
    with pytest.raises(RecordError, match="twice"):
        score(study)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table.iloc[1:], "1 not answered"),
        (lambda table: pd.concat([table, table.iloc[:2]]), "2 answered twice"),
        (lambda table: table.replace("fpb:test:0", "fpb:test:999"), "1 not asked, such as fpb:test:999"),
    ],
)
def test_every_item_is_answered_exactly_once(
    study: Path, change: Callable[[pd.DataFrame], pd.DataFrame], words: str
) -> None:
    edit(study / ANSWERS / "explore/base.parquet", change)
    with pytest.raises(RecordError, match=words):
        score(study)


def test_missing_answers_and_broken_files_are_clear_errors(study: Path) -> None:
    (study / ANSWERS / "explore/base.parquet").write_bytes(b"PAR1 cut in half")
    with pytest.raises(DataError, match="not readable as Parquet"):
        score(study)
    shutil.rmtree(study / ANSWERS / "confirm")
    shutil.rmtree(study / ANSWERS / "explore")
    with pytest.raises(RecordError, match="no explore answers"):
        score(study)
