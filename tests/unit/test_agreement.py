"""Label decoding against the free answer: counted by hand, from rows of counts and from rows of answers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from answers_fixture import report_inputs, study_params, tolerance

from cocktail.analysis.agreement import AGREEMENT_POINTS, agreement_rows
from cocktail.analysis.scores import ModelScores
from cocktail.analysis.study import compare_study, numbers_of
from cocktail.data.grid import Run
from cocktail.files.records import read_json, write_table
from cocktail.report.study import report_study
from cocktail.report.table import read_tables, to_markdown
from cocktail.scoring.score import score_study

PARAMS = study_params()
COLUMNS = ["stage", "run", "task", "decoded", "decoded_invalid", "decoded_agree"]
EXPLORED = (
    Run("base", "base", (), 42),
    Run("single_fpb", "single", ("fpb",), 42),
    Run("single_finqa", "single", ("finqa",), 42),
    Run("all", "all", ("fpb", "finqa"), 42),
)
CONFIRMED = (Run("all-s101", "all", ("fpb", "finqa"), 101),)
ROWS = [
    ("explore", "base", "fpb", 100, 50, 0),  # not trained on it: its 50 differences do not count
    ("explore", "single_finqa", "fpb", 100, 0, 0),
    ("explore", "single_fpb", "fpb", 100, 20, 79),
    ("explore", "all", "fpb", 100, 0, 100),
    ("confirm", "all-s101", "fpb", 100, 100, 0),  # nothing readable: no share of its own
    *((stage, run.id, "finqa", 0, 0, 0) for stage, runs in (("explore", EXPLORED),) for run in runs),
    ("confirm", "all-s101", "finqa", 0, 0, 0),
    *(("explore", run.id, "knowledge", 40, 10, 5) for run in EXPLORED),  # no run is trained on it
    ("confirm", "all-s101", "knowledge", 40, 10, 5),
]


def made_up(rows: list[tuple[str, str, str, int, int, int]]) -> ModelScores:
    summary = pd.DataFrame(rows, columns=COLUMNS).set_index(COLUMNS[:3]).sort_index()
    return ModelScores("m", summary, pd.DataFrame({"item": []}), {}, EXPLORED, CONFIRMED)


def test_counts_by_hand() -> None:
    fpb = {
        "model": "m", "task": "fpb", "runs": 3, "rows": 300, "invalid": 120, "valid": 180, "agree": 179,
        "share": 99.4444, "flag": "under 99.5", "lowest_share": 98.75, "lowest_runs": ["single_fpb"],
    }  # fmt: skip
    knowledge = {
        "model": "m", "task": "knowledge", "runs": 0, "rows": 0, "invalid": 0, "valid": 0, "agree": 0,
        "share": None, "flag": "", "lowest_share": None, "lowest_runs": [],
    }  # fmt: skip
    total = {**fpb, "task": "sum", "lowest_share": None, "lowest_runs": []}
    assert agreement_rows(made_up(ROWS), params=PARAMS) == [fpb, knowledge, total]


def test_the_sum_weighs_rows_and_counts_a_run_once() -> None:
    both = tuple(replace(run, sources=("fpb", "convfinqa")) for run in EXPLORED[1:2])
    rows = [("explore", "single_fpb", "fpb", 300, 0, 300), ("explore", "single_fpb", "convfinqa", 100, 0, 97)]
    scores = replace(made_up(rows), explored=both, confirmed=())
    found = agreement_rows(scores, params=PARAMS)
    _, second, total = found
    assert (second["task"], second["share"], second["flag"]) == ("convfinqa", 97, "under 99.5")
    assert (total["runs"], total["valid"], total["agree"], total["share"]) == (1, 400, 397, 99.25)
    assert numbers_of([scores], [], [], found)["m"]["label_agreement"] == {"share": 99.25}


@pytest.mark.parametrize(("agree", "flag"), [(199, ""), (198, "under 99.5")])
def test_the_claimed_share_itself_is_enough(agree: int, flag: str) -> None:
    assert AGREEMENT_POINTS == 99.5
    scores = replace(made_up([("explore", "all", "fpb", 200, 0, agree)]), explored=EXPLORED[3:], confirmed=())
    assert agreement_rows(scores, params=PARAMS)[0]["flag"] == flag


def test_the_three_lowest_runs_are_named_in_order() -> None:
    runs = tuple(Run(name, "single", ("fpb",), 1) for name in "abcde")
    shares = {"a": 99, "b": 97, "c": 100, "d": 98, "e": 97}
    scores = made_up([("explore", name, "fpb", 100, 0, agree) for name, agree in shares.items()])
    row = agreement_rows(replace(scores, explored=runs, confirmed=()), params=PARAMS)[0]
    assert (row["lowest_runs"], row["lowest_share"]) == (["b", "e", "d"], 97)


def test_metrics_hold_the_sum_or_nothing() -> None:
    scores = replace(made_up(ROWS), explored=EXPLORED)
    rows = agreement_rows(scores, params=PARAMS)
    assert numbers_of([scores], [], [], rows)["m"]["label_agreement"] == {"share": 99.44}
    assert "label_agreement" not in numbers_of([scores], [], [], rows[1:2])["m"]
    assert agreement_rows(made_up([("explore", "all", "finqa", 0, 0, 0)]), params=PARAMS) == []


@pytest.fixture(scope="module")
def edited(finished_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made-up study with some fpb test rows of three runs written by hand; scored and reported anew.

    Gold labels go negative, neutral, positive, negative ...; label decoding gives the gold one.
    """
    root = tmp_path_factory.mktemp("edited")
    for name in ("data", "artifacts", "reports"):
        shutil.copytree(finished_study / name, root / name)
    answers = root / "artifacts/answers/phi3_smoke"
    by_hand = {0: "positive", 1: "negative", 2: " POSITIVE ", 3: "hm", 4: "it is neutral"}
    edit(answers / "explore/all.parquet", lambda row: by_hand.get(row))
    edit(answers / "confirm/all-s101.parquet", lambda row: "positive" if row == 0 else None)
    edit(answers / "explore/base.parquet", lambda row: "positive" if row % 3 == 0 else None)
    table = pd.read_parquet(answers / "explore/base.parquet")
    first = table["item"].isin([f"fpb:test:{row}" for row in range(15)])
    write_table(answers / "explore/base.parquet", table.assign(stopped=table["stopped"] & ~first))
    models, scores = list(PARAMS.models), root / "artifacts/scores"
    score_study(root / "data/prepared", answers.parent, scores, models=models, tolerance=tolerance(PARAMS))
    compare_study(
        root / "data/prepared", scores, root / "artifacts/selected", root / "reports", params=PARAMS
    )
    report_study(report_inputs(root), root / "reports", params=PARAMS)
    return root


def edit(path: Path, answer: Callable[[int], str | None]) -> None:
    """Answer every fpb test row with its gold label, but for the rows that ``answer`` knows."""
    table = pd.read_parquet(path)
    rows = (table["task"] == "fpb") & (table["split"] == "test")
    numbers = [int(item.split(":")[-1]) for item in table["item"]]
    given = [answer(number) or label for number, label in zip(numbers, table["label_choice"], strict=True)]
    write_table(path, table.assign(answer=table["answer"].where(~rows, pd.Series(given))))


def test_answers_become_counts(edited: Path) -> None:
    summary = pd.read_parquet(edited / "artifacts/scores/summary.parquet")
    counts = summary[summary["split"] == "test"].set_index(COLUMNS[:3])[COLUMNS[3:]]
    # Rows 0 and 1 name another label, row 2 the same in capitals; 3 and 4 are INVALID when read strictly.
    assert counts.loc[("explore", "all", "fpb")].tolist() == [60, 2, 56]
    assert counts.loc[("confirm", "all-s101", "fpb")].tolist() == [60, 0, 59]
    assert counts.loc[("explore", "base", "fpb")].tolist() == [60, 0, 40]
    assert counts.loc[("explore", "all", "finqa")].tolist() == [0, 0, 0]  # no labels, nothing decoded
    assert set(summary[summary["split"] == "dev"]["decoded"]) == {0}


def test_the_table_shows_where_and_the_metrics_how_much(edited: Path, finished_study: Path) -> None:
    label_agreement = read_tables(edited / "reports/tables")["label_agreement"]
    table = label_agreement.frame
    assert table["task"].tolist() == ["fpb", "knowledge", "sum"]
    fpb = table.iloc[0]
    assert fpb["valid"] - fpb["agree"] == 3  # base is not trained on fpb: its 20 differences do not count
    runs = trained_on(edited, "fpb")
    assert (fpb["runs"], fpb["rows"], fpb["rows"] - fpb["INVALID"]) == (
        len(runs),
        60 * len(runs),
        fpb["valid"],
    )
    assert (fpb["lowest runs"], fpb["lowest share"]) == (["all", "all-s101"], round(100 * 56 / 58, 4))
    assert table.iloc[1]["runs"] == 0 and table.iloc[1]["share"] is None
    share = read_json(edited / "reports/numbers.json")["phi3_smoke"]["label_agreement"]["share"]
    assert share == round(100 - 300 / fpb["valid"], 2)
    shown = to_markdown(label_agreement)
    assert f"| {share:.2f} |" in shown
    assert "| phi3_smoke | knowledge | 0 | 0 | 0 | 0 | 0 | – | – | – | – |" in shown
    assert read_json(finished_study / "reports/numbers.json")["phi3_smoke"]["label_agreement"] == {
        "share": 100
    }


def trained_on(root: Path, task: str) -> list[str]:
    receipts: list[dict[str, Any]] = [
        read_json(path)
        for path in root.glob("artifacts/answers/phi3_smoke/*/*.json")
        if path.name != "index.json"
    ]
    return [receipt["run"] for receipt in receipts if task in receipt["sources"]]


def test_answers_that_reach_the_length_limit_are_a_column(edited: Path) -> None:
    arms = pd.DataFrame(read_json(edited / "reports/comparison.json")["arms"]).set_index(["task", "arm"])
    assert arms["limit_share"]["fpb", "base"] == 0.25  # 15 of 60
    assert arms["limit_share"].sum() == 0.25
    scores = read_tables(edited / "reports/tables")["scores"].frame.set_index(["task", "arm"])
    assert scores["limit_share"]["fpb", "base"] == 25
    base = read_tables(edited / "reports/tables")["base"].frame.set_index("task")
    assert base["at length limit"].to_dict() == {"fpb": 25, "finqa": 0, "convfinqa": 0, "knowledge": 0}
