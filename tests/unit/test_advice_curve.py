"""The advice curve: regrets that are known by hand, and no test score in what is picked or advised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from answers_fixture import study_params
from matplotlib.figure import Figure
from test_advice import TASKS, additive, items, outcomes, scores

from cocktail.analysis.advice.curve import Curve, advice_curve, mean_curve, random_orders
from cocktail.analysis.advice.following import BASE_SPREAD, LEAST_NOISE, SPREAD
from cocktail.analysis.advice.gain import Sources
from cocktail.analysis.advice.scores import TargetScores, grid_of, target_scores
from cocktail.analysis.advice.standing import following
from cocktail.analysis.advised import advice_curve_rows
from cocktail.analysis.scores import ModelScores, read_scores
from cocktail.files.records import read_json
from cocktail.report.choices import advice_curve_table
from cocktail.report.figures import draw_advice
from cocktail.report.pictures import write_figures
from cocktail.scoring.answers import Evaluation, read_evaluations

PARAMS = study_params()
MANY = 10**6  # items: the least noise
SMALL = ("fpb", "finqa", "headline", "open_orca")


def found(
    fitted: dict[Sources, float], test: dict[Sources, float] | None = None, *, of: int = MANY
) -> TargetScores:
    return TargetScores(fitted, test or fitted, "m", "dev", of, frozenset(fitted))


def curve(
    known: TargetScores, tasks: Sequence[str] = TASKS, *, target: str = "fpb", count: int = 30
) -> Curve:
    orders = random_orders(tasks, np.random.default_rng(1), count=count)
    return advice_curve(known, tasks, target=target, orders=orders)


def noisy(of: Callable[[Sources], float], seed: int, tasks: tuple[str, ...] = TASKS) -> dict[Sources, float]:
    rng = np.random.default_rng(seed)
    return scores(lambda sources: of(sources) + rng.normal(0, 8), tasks)


def test_with_no_run_explored_all_is_advised() -> None:
    one = curve(found(noisy(additive, 1), noisy(additive, 2)))
    assert one.advised[0] == TASKS
    assert one.picked[0] == one.always_all > 0
    assert set(one.random[:, 0]) == {one.always_all}


def test_the_rules_are_what_they_say() -> None:
    """Best on test: a pair; best on dev: another, 7 points worse; the pairs without fpb count for nothing."""
    test = {**scores(lambda sources: 50.0), ("fpb", "finqa"): 60.0, ("finqa", "headline"): 90.0}
    test |= {("fpb", "headline"): 53.0, ("fpb",): 41.0, TASKS: 58.0}
    dev = {**scores(lambda sources: 50.0), ("fpb", "headline"): 70.0, ("finqa", "headline"): 99.0}
    one = curve(found(dev, test))
    assert (one.always_all, one.always_single, one.best_fitted) == (2, 19, 7)


def test_the_best_single_is_a_mixture_with_the_target_too() -> None:
    test = {**scores(lambda sources: 50.0), ("fpb",): 60.0}
    one = curve(found(test))
    assert (one.always_single, one.always_all, one.picked[-1]) == (0, 10, 0)


def test_with_every_run_known_it_is_the_choice_on_dev() -> None:
    """Dev is additive, so the model ranks it as measured; test is another world."""
    one = curve(found(scores(additive), noisy(lambda sources: 50.0, 3)))
    assert one.advised[-1] == tuple(task for task in TASKS if task != "finqa")
    assert one.picked[-1] == one.best_fitted > 0
    assert set(one.random[:, -1]) == {one.best_fitted}


def test_where_gains_add_up_few_picked_runs_suffice() -> None:
    """The single and the pairs with fpb tell all; random orders are slower, and come to the same."""
    one = curve(found(scores(additive)), count=100)
    enough = len(TASKS) + 2
    assert len(one.order) == 28 and one.picked[enough:].max() < 0.01
    assert one.picked[0] == pytest.approx(4)  # finqa, which harms, is in all
    assert one.random[:, enough].mean() > 1


def by_hand(
    known: TargetScores, order: Sequence[Sources], tasks: Sequence[str], target: str
) -> list[Sources]:
    """What is advised after k runs, as a regression of scores on scores: no weight of a source is fitted."""

    def alike(one: Sources, other: Sources) -> float:
        both = [BASE_SPREAD**2 if task == target else SPREAD**2 for task in {*one} & {*other}]
        beside = [SPREAD**2 for task in {*one} & {*other} if task != target and target in {*one} & {*other}]
        return BASE_SPREAD**2 + sum(both) + sum(beside)

    mixtures, told = [one for one in known.fitted if target in one], []
    for k in range(len(order) + 1):
        runs = [(), *order[:k]]
        values = np.array([known.fitted[run] for run in runs])
        error = max(LEAST_NOISE, 100 * np.sqrt(np.mean(values / 100 * (1 - values / 100)) / known.items))
        within = np.array([[alike(one, other) for other in runs] for one in runs]) + error**2 * np.eye(k + 1)
        towards = np.array([[alike(one, other) for other in runs] for one in mixtures])
        predicted = towards @ np.linalg.solve(within, values - values.mean())
        told.append(max(zip(np.round(predicted, 6), map(len, mixtures), mixtures, strict=True))[2])
    return told


def test_random_order_is_what_a_slow_road_without_shared_code_gives() -> None:
    known = found(noisy(additive, 4, SMALL), noisy(additive, 5, SMALL), of=120)
    grid = list(grid_of(SMALL).values())
    orders = random_orders(SMALL, np.random.default_rng(6), count=8)
    one = advice_curve(known, SMALL, target="fpb", orders=orders)
    best = max(score for run, score in known.test.items() if "fpb" in run)
    for order, regrets in zip(orders, one.random, strict=True):
        assert sorted(order) == list(range(1, len(grid)))
        advised = by_hand(known, [grid[place] for place in order], SMALL, "fpb")
        assert regrets.tolist() == pytest.approx([best - known.test[run] for run in advised])
    assert list(one.advised) == by_hand(known, one.order, SMALL, "fpb")
    assert len({tuple(regrets) for regrets in one.random.tolist()}) > 1


def test_no_test_score_enters_what_is_picked_or_advised() -> None:
    dev, test = noisy(additive, 7), noisy(additive, 8)
    places = np.random.default_rng(9).permutation(len(test))
    shuffled = dict(zip(test, np.array(list(test.values()))[places].tolist(), strict=True))
    plain, other = curve(found(dev, test)), curve(found(dev, shuffled))
    assert (plain.order, plain.advised) == (other.order, other.advised)
    assert plain.picked.tolist() != other.picked.tolist()
    best = max(score for run, score in shuffled.items() if "fpb" in run)
    assert other.picked.tolist() == [best - shuffled[run] for run in plain.advised]


def test_a_run_is_picked_as_the_command_picks_it() -> None:
    """From a table that has only the runs before it."""
    table = items(np.random.default_rng(10), splits=("test",)).drop(columns="split")
    table = table[table["task"] == "fpb"]
    one = curve(target_scores(outcomes(table), target="fpb"))
    ids = {sources: run for run, sources in grid_of(TASKS).items()}
    for k in (1, 2, 7, 20):
        known = table[table["run"].isin([ids[run] for run in ((), *one.order[:k])])]
        ((run, _),) = following(outcomes(known), target="fpb", count=1)
        assert run == ids[one.order[k]], k


def test_runs_that_were_not_explored_are_passed_over() -> None:
    known = noisy(additive, 11)
    gone = TASKS[1:]
    del known[gone]
    one = curve(found(known))
    assert gone not in one.order and len(one.order) == 27 and one.random.shape == (30, 28)
    assert not np.isnan(one.random).any()


def test_a_target_without_training_rows() -> None:
    """Every mixture is a candidate; "always single" is the best single by the fitted scores."""
    one = curve(found(scores(lambda sources: 30.0 + 5 * len(sources) + ("finqa" in sources))), target="mine")
    assert (one.always_all, one.always_single) == (0, 25)


def test_orders_come_from_the_seed_alone() -> None:
    first, again, other = (random_orders(TASKS, np.random.default_rng(seed), count=5) for seed in (1, 1, 2))
    assert first.tolist() == again.tolist() != other.tolist()


def test_the_mean_is_of_each_order_by_itself() -> None:
    one, other = (
        Curve((), (), np.array([2.0, p]), np.array(r), 2.0, s, 1.0)
        for p, r, s in ((0.0, [[0.0, 0.0], [4.0, 8.0]], 3.0), (4.0, [[4.0, 8.0], [0.0, 0.0]], 5.0))
    )
    mean = mean_curve([one, other])
    assert mean.picked.tolist() == [2, 2] and mean.random.tolist() == [[2, 4], [2, 4]]
    assert (mean.always_all, mean.always_single, mean.best_fitted) == (2, 4, 1)


@pytest.fixture(scope="module")
def smoke(finished_study: Path) -> ModelScores:
    folder = finished_study / "artifacts"
    return read_scores(folder / "scores", folder / "selected", params=PARAMS)[0]


@pytest.fixture(scope="module")
def evaluations(finished_study: Path) -> dict[str, Evaluation]:
    return read_evaluations(finished_study / "data/prepared")


@pytest.fixture(scope="module")
def comparison(finished_study: Path) -> dict[str, Any]:
    found: dict[str, Any] = read_json(finished_study / "reports/comparison.json")
    return found


def test_the_mean_leaves_out_what_is_at_the_floor(
    smoke: ModelScores, evaluations: dict[str, Evaluation], comparison: dict[str, Any]
) -> None:
    mean, *rows = comparison["advice_curve"]
    assert [row["task"] for row in rows] == ["fpb", "finqa", "convfinqa"]
    assert all(row["fitted_on"] == "dev" and row["orders"] == 200 for row in (mean, *rows))
    assert mean["picked"] == pytest.approx(np.mean([row["picked"] for row in rows], axis=0), abs=1e-3)
    dead = {**smoke.floors, "finqa": {**smoke.floors["finqa"], "live": False}}
    after = advice_curve_rows(replace(smoke, floors=dead), evaluations, params=PARAMS)
    assert [row["live"] for row in after] == [True, True, False, True]
    kept = [row["picked"] for row in rows if row["task"] != "finqa"]
    assert after[0]["picked"] == pytest.approx(np.mean(kept, axis=0), abs=1e-3)
    assert after[0]["picked"] != mean["picked"]
    none = {task: {**floor, "live": False} for task, floor in smoke.floors.items()}
    assert [
        row["task"] for row in advice_curve_rows(replace(smoke, floors=none), evaluations, params=PARAMS)
    ] == [*("fpb", "finqa", "convfinqa")]


def test_a_grid_with_gaps_has_no_curve(smoke: ModelScores, evaluations: dict[str, Evaluation]) -> None:
    lacking = tuple(run for run in smoke.explored if run.id != "pair_fpb_finqa")
    assert advice_curve_rows(replace(smoke, explored=lacking), evaluations, params=PARAMS) == []
    empty = advice_curve_table({"advice_curve": []}, note="n")
    assert empty.frame.empty and "k" in empty.frame


def rows() -> list[dict[str, Any]]:
    rules = {"always_all": 3.0, "always_single": 5.0, "best_fitted": 0.0}
    known = {"random": [3.0, 2.5], "low": [3.0, 1.0], "high": [3.0, 4.0], "orders": 9, "fitted_on": "dev"}
    tasks = (("mean", True, [3.0, 2.0]), ("fpb", True, [3.0, 2.0]), ("finqa", False, [1.0, 9.0]))
    return [
        {"model": "m", "task": task, "live": live, "picked": picked, **known, **rules}
        for task, live, picked in tasks
    ]


def test_the_table_has_a_row_for_each_k() -> None:
    table = advice_curve_table({"advice_curve": rows()}, note="n")
    assert table.frame.to_dict("list") == {
        "model": ["m", "m"],
        "fitted on": ["dev", "dev"],
        "k": [0, 1],
        "picked": [3.0, 2.0],
        "random": [3.0, 2.5],
        "random 10 %": [3.0, 1.0],
        "random 90 %": [3.0, 4.0],
        "always all": [3.0, 3.0],
        "always single": [5.0, 5.0],
        "best measured": [0.0, 0.0],
        "fpb": [3.0, 2.0],
        "finqa": [1.0, 9.0],
    }
    assert "mean of 9 random orders" in table.note


def test_the_figure_draws_the_curve_and_the_rules() -> None:
    ax = draw_advice(Figure().subplots(), rows()[0], targets=1)
    lines = {str(line.get_label()): np.asarray(line.get_ydata()).tolist() for line in ax.lines}
    assert lines == {
        "random order, mean": [3.0, 2.5],
        "most telling run next": [3.0, 2.0],
        "always all sources": [3.0, 3.0],
        "always the single task": [5.0, 5.0],
        "best measured, all runs known": [0.0, 0.0],
    }
    assert ax.get_ylim()[0] < 0 and "n = 1" in ax.get_ylabel()


def test_without_a_mean_there_is_no_figure(tmp_path: Path, comparison: dict[str, Any]) -> None:
    for name, curves in (("with", comparison["advice_curve"]), ("without", comparison["advice_curve"][1:])):
        write_figures(tmp_path / name, {**comparison, "advice_curve": curves}, [], {}, note="n")
        found = (tmp_path / name / "advice_curve_phi3_smoke.svg").exists()
        assert found == (name == "with")
    assert pd.Series(comparison["advice_curve"][0]["picked"]).notna().all()
