"""Choosing on dev: test plays no part, ties go to the grid's first, the test pick is kept for the curse.

Winner's curse, budget curve and advice of a study: rows by hand, tables and figures from these rows.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from answers_fixture import study_params, write_answers, write_prepared
from matplotlib.figure import Figure
from statsmodels.stats.multitest import multipletests

from cocktail.analysis.advice.heldout import held_out_record
from cocktail.analysis.advice.show import advice_row
from cocktail.analysis.advised import advice_rows
from cocktail.analysis.explored import budget_rows, curse_rows
from cocktail.analysis.scores import ModelScores, read_scores
from cocktail.analysis.selection import choose, select_study
from cocktail.analysis.stats.snooping import snooping_test
from cocktail.data.grid import candidates, explore_runs
from cocktail.errors import ConfigError, RecordError
from cocktail.files.records import read_json
from cocktail.report.choices import advice_table, budget_table, curse_table
from cocktail.report.figures import draw_budget, draw_curse
from cocktail.report.pictures import write_figures
from cocktail.scoring.answers import read_evaluations

KINDS = {"pair_a_b": "pair", "without_c": "without", "all": "all"}


def test_the_best_on_dev_is_chosen_whatever_test_says() -> None:
    dev = {"pair_a_b": 0.5, "without_c": 0.7, "all": 0.6}
    selection = choose(
        list(KINDS), KINDS, dev=dev, test={"pair_a_b": 0.9, "without_c": 0.1, "all": 0.2}, possible=17
    )
    assert (selection.chosen, selection.kind, selection.dev_accuracy) == ("without_c", "without", 0.7)
    assert selection.chosen_on_test == "pair_a_b"


def test_ties_go_to_the_first_in_grid_order() -> None:
    equal = dict.fromkeys(reversed(KINDS), 0.5)
    assert choose(list(KINDS), KINDS, dev=equal, test=equal, possible=17).chosen == "pair_a_b"


def test_every_mixed_finance_task_gets_a_choice_among_its_own_mixtures(finished_study: Path) -> None:
    params = study_params()
    selected = read_json(finished_study / "artifacts/selected/phi3_smoke.json")["choices"]
    assert set(selected) == {"fpb", "finqa", "convfinqa"}
    for task, selection in selected.items():
        assert set(selection["candidates"]) == set(candidates(params, task))
        assert selection["dev_accuracy"] == max(selection["candidates"].values())


@pytest.mark.slow
def test_a_target_without_mixtures_is_an_error(tmp_path: Path) -> None:
    params = study_params("smoke", "study.include=[single]", "study.tries=0")
    write_prepared(tmp_path / "prepared", params)
    write_answers(tmp_path / "explore", tmp_path / "prepared", explore_runs(params))
    with pytest.raises(ConfigError, match="no mixture that contains target 'fpb'"):
        select_study(
            tmp_path / "prepared",
            tmp_path / "explore",
            tmp_path / "out.json",
            params=params,
            model="phi3_smoke",
        )
    assert not (tmp_path / "out.json").exists()


def test_answers_of_another_grid_are_refused(tmp_path: Path) -> None:
    params = study_params()
    write_prepared(tmp_path / "prepared", params)
    write_answers(tmp_path / "explore", tmp_path / "prepared", explore_runs(params)[:3])
    with pytest.raises(RecordError, match="no answers of"):
        select_study(
            tmp_path / "prepared",
            tmp_path / "explore",
            tmp_path / "out.json",
            params=params,
            model="phi3_smoke",
        )


PARAMS = study_params()


@pytest.fixture(scope="module")
def scores(finished_study: Path) -> ModelScores:
    folder = finished_study / "artifacts"
    return read_scores(folder / "scores", folder / "selected", params=PARAMS)[0]


@pytest.fixture(scope="module")
def comparison(finished_study: Path) -> dict[str, Any]:
    found: dict[str, Any] = read_json(finished_study / "reports/comparison.json")
    return found


def test_the_curse_says_whether_any_mixture_is_better(
    scores: ModelScores, comparison: dict[str, Any]
) -> None:
    rows = {row["task"]: row for row in comparison["curse"]}
    assert set(rows) == {"fpb", "finqa", "convfinqa"}
    for task, row in rows.items():
        candidates = list(scores.selected[task]["candidates"])
        outcomes = scores.outcomes("explore", [f"single_{task}", *candidates], task, "strict")
        found = snooping_test(
            outcomes.values[0], outcomes.values[1:], outcomes.clusters, seed=PARAMS.study.seed
        )
        assert row["p_any_better"] == pytest.approx(found.p, abs=1e-4)
        assert row["better"] == [candidates[place] for place in found.better]
        assert (row["n_items"], row["n_clusters"], row["single"]) == (60, 30, f"single_{task}")
    assert "pair_finqa_convfinqa" in rows["finqa"]["better"]  # the fixture's best by far: 0.99 against 0.6
    assert rows["finqa"]["p_any_better"] < 0.01


def test_few_clusters_give_no_p(scores: ModelScores) -> None:
    items = scores.items.assign(cluster=scores.items["item"].str[-1].astype(int) % 3)
    few = replace(scores, items=items)
    rows = curse_rows(few, params=PARAMS)
    assert [(row["p_any_better"], row["better"], row["n_clusters"]) for row in rows] == [(None, [], 3)] * 3
    assert set(curse_table({"curse": rows}, note="n").frame["p"]) == {""}


def test_the_budget_curve_by_hand(scores: ModelScores, comparison: dict[str, Any]) -> None:
    rows = {(row["task"], row["arm"], row["k"]): row for row in comparison["budget"]}
    singles = ["single_fpb", "tuned_fpb_1"]
    test = [100 * float(scores.value("explore", run, "fpb") or 0) for run in singles]
    dev = [scores.dev[run, "fpb"] for run in singles]
    assert dev[0] != dev[1]
    one, two = rows["fpb", "singles", 1], rows["fpb", "singles", 2]
    assert one["runs"] == singles
    assert one["picked_on_dev"] == one["picked_on_test"] == pytest.approx(np.mean(test), abs=1e-3)
    assert two["picked_on_dev"] == pytest.approx(test[int(np.argmax(dev))], abs=1e-3)
    assert two["picked_on_test"] == pytest.approx(max(test), abs=1e-3)
    mixtures = [row for row in rows.values() if (row["task"], row["arm"]) == ("fpb", "mixtures")]
    assert [row["k"] for row in mixtures] == list(range(1, len(mixtures[0]["runs"]) + 1))
    on_dev = scores.selected["fpb"]["candidates"]
    assert mixtures[0]["runs"] == list(on_dev)
    best = [scores.value("explore", run, "fpb") or 0 for run in on_dev if on_dev[run] == max(on_dev.values())]
    assert mixtures[-1]["picked_on_dev"] == pytest.approx(100 * np.mean(best), abs=1e-3)
    for row in rows.values():
        assert row["picked_on_test"] >= row["picked_on_dev"] - 1e-3


def test_without_tuned_singles_there_is_no_budget_curve(scores: ModelScores) -> None:
    kept = tuple(run for run in scores.explored if run.kind != "tuned")
    assert budget_rows(replace(scores, explored=kept), params=PARAMS) == []
    table = budget_table({"budget": []}, note="n")
    assert len(table.shown()) == 0


def test_the_budget_table_is_at_equal_k(comparison: dict[str, Any]) -> None:
    frame = budget_table(comparison, note="n").frame
    assert frame[["task", "k"]].to_numpy().tolist() == [["fpb", 1], ["fpb", 2], ["finqa", 1], ["finqa", 2]]
    assert (frame["difference"] - (frame["mixtures"] - frame["singles"])).abs().max() < 1e-3
    assert frame.loc[0, "single_runs"] == ["single_fpb", "tuned_fpb_1"]


def test_every_evaluated_task_but_general_sets_has_a_row_of_advice(comparison: dict[str, Any]) -> None:
    rows = comparison["advice"]
    assert [row["task"] for row in rows] == ["fpb", "finqa", "convfinqa"]
    for row in rows:
        assert (row["fitted_on"], row["candidates"]) == ("dev", 4)
        assert min(row["regret"], row["regret_all"], row["regret_single"]) >= 0
        assert row["p_adjusted"] >= row["p"]
        assert (row["verdict"] == "advises") == (
            "floor" not in row["verdict"]
            and row["p_adjusted"] <= 0.05
            and row["regret"] < min(row["regret_all"], row["regret_single"])
        )
    adjusted = multipletests([row["p"] for row in rows], method="holm")[1]
    assert [row["p_adjusted"] for row in rows] == pytest.approx(list(adjusted), abs=1e-3)
    frame = advice_table(comparison, note="n").frame
    assert frame.columns[-1] == "verdict" and not frame["verdict"].isna().any()


def test_advice_is_fitted_on_dev_and_its_record_is_of_test(
    scores: ModelScores, comparison: dict[str, Any]
) -> None:
    runs = {run.sources: run.id for run in scores.explored if run.kind != "tuned"}
    rows = {row["task"]: row for row in comparison["advice"]}
    differ = 0
    for task in ("fpb", "finqa", "convfinqa"):
        dev = {sources: 100 * scores.dev[run, task] for sources, run in runs.items()}
        test = {sources: 100 * (scores.value("explore", run, task) or 0) for sources, run in runs.items()}
        on_dev, on_test = (
            advice_row(
                replace(
                    held_out_record(fitted, test, PARAMS.study.tasks, target=task, above_guess=test),
                    p_adjusted=rows[task]["p_adjusted"],
                ),
                PARAMS.study.tasks,
                split="dev",
                model=scores.model,
            )
            for fitted in (dev, test)
        )
        assert rows[task] == on_dev
        differ += on_dev != on_test
    assert differ  # else the fixture could not tell which split was fitted


@pytest.mark.slow
def test_a_task_at_floor_has_no_advice(
    finished_study: Path, scores: ModelScores, comparison: dict[str, Any]
) -> None:
    """Every run wrong on one task: the others keep their rows."""
    evaluations = read_evaluations(finished_study / "data/prepared")
    wrong = scores.items["task"] == "convfinqa"
    items = scores.items.assign(strict=scores.items["strict"].where(~wrong, "invalid"))
    before = {row["task"]: row for row in advice_rows(scores, evaluations, params=PARAMS)}
    after = {
        row["task"]: row for row in advice_rows(replace(scores, items=items), evaluations, params=PARAMS)
    }
    assert list(before.values()) == comparison["advice"]
    assert "floor" not in before["convfinqa"]["verdict"]
    assert after["convfinqa"]["verdict"].startswith("floor: nothing here beats a blind guess")
    assert [row for task, row in after.items() if task != "convfinqa"] == [
        row for task, row in before.items() if task != "convfinqa"
    ]


def test_advice_without_its_runs_says_what_is_missing(finished_study: Path, scores: ModelScores) -> None:
    lacking = tuple(run for run in scores.explored if run.id != "pair_fpb_finqa")
    evaluations = read_evaluations(finished_study / "data/prepared")
    rows = advice_rows(replace(scores, explored=lacking), evaluations, params=PARAMS)
    assert all("not tested: advice on" in row["verdict"] for row in rows)
    assert all(row["verdict"].endswith("pair_fpb_finqa") and row["regret"] is None for row in rows)


def test_a_base_with_solved_examples_is_no_run_of_the_grid(finished_study: Path, scores: ModelScores) -> None:
    """It alone is right on a task: there is no advice, for no mixture beats a guess."""
    base = next(run for run in scores.explored if run.kind == "base")
    shots = replace(base, id="base_shots", kind="shots", shots=5)
    wrong = scores.items.assign(
        strict=scores.items["strict"].where(scores.items["task"] != "convfinqa", "wrong")
    )
    answered = scores.items[scores.items["run"] == "base"].assign(run="base_shots", strict="ok")
    both = replace(scores, explored=(*scores.explored, shots), items=pd.concat([wrong, answered]))
    rows = advice_rows(both, read_evaluations(finished_study / "data/prepared"), params=PARAMS)
    assert next(row["verdict"] for row in rows if row["task"] == "convfinqa").startswith("floor")


def test_the_budget_figure_draws_both_arms_and_where_tries_are_equal() -> None:
    rows = [
        {"arm": arm, "k": k, "picked_on_dev": base + k, "picked_on_test": base + 2 * k}
        for arm, base, most in (("singles", 50, 3), ("mixtures", 60, 6))
        for k in range(1, most + 1)
    ]
    ax = draw_budget(Figure().subplots(), rows)
    lines = {line.get_label(): list(line.get_ydata()) for line in ax.lines[:4]}
    assert lines["tuned singles, picked on dev"] == [51, 52, 53]
    assert lines["mixtures, picked on test"] == [62, 64, 66, 68, 70, 72]
    assert list(ax.lines[4].get_xdata()) == [3, 3]


def test_the_curse_figure_draws_both_picks() -> None:
    rows = [{"task": "a", "gain_on_dev_choice": -1.0, "gain_on_test_choice": 4.0}]
    ax = draw_curse(Figure().subplots(), rows)
    dev, test = (np.asarray(dots.get_offsets()).tolist() for dots in ax.collections[1:])
    assert (dev, test) == ([[-1.0, 0.0]], [[4.0, 0.0]])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a"]


def test_a_model_without_choices_has_no_such_figures(tmp_path: Path, comparison: dict[str, Any]) -> None:
    write_figures(tmp_path, {**comparison, "curse": [], "budget": []}, [], {}, note="n")
    names = {path.stem for path in tmp_path.glob("*.svg")}
    assert "bars_phi3_smoke" in names
    assert not {name for name in names if name.startswith(("budget", "winners_curse"))}


def test_the_curse_table_hides_run_ids_and_counts_them(comparison: dict[str, Any]) -> None:
    table = curse_table(comparison, note="n")
    assert {"better_runs", "single"}.isdisjoint(table.shown().columns)
    better = pd.Series([len(row["better"]) for row in comparison["curse"]])
    assert table.frame["better"].tolist() == better.tolist()
