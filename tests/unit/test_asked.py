"""Every run is asked what somebody reads: tables, advice and verdicts lack only what a study leaves out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from answers_fixture import CLAIMS, ROOT, study_params, write_prepared
from data_params import FINANCE_TASKS

from cocktail.analysis.advised import advice_rows
from cocktail.analysis.arms import CONTRASTS, effect_rows
from cocktail.analysis.explored import budget_rows, curse_rows, leave_one_out_rows, transfer_rows
from cocktail.analysis.scores import ModelScores, OutcomeTable, confirmed_arms
from cocktail.claims.arms import arm_runs, lacking
from cocktail.claims.cells import cell_drafts
from cocktail.claims.evaluate import judged_rows
from cocktail.claims.schema import CellsTest, ContrastTest, all_tasks_of, read_claims
from cocktail.config import Params, check_params
from cocktail.config.compose import compose
from cocktail.data.confirmation import confirm_runs, dearest_choice
from cocktail.data.evaluation_set import read_evaluation_set
from cocktail.data.grid import Asked, Run, candidates, explore_runs
from cocktail.data.table import sampled
from cocktail.scoring.answers import Evaluation, asked_items, read_evaluations

TEST_ITEMS = [f"row:{number:02d}" for number in range(24)]
LARGER = "phi3_tiny_large"
LEFT_OUT = re.compile(
    r"needs (\w+ in study\.(targets|evaluations|confirm_matched)|confirm runs of \w+|study.tries .*"
    r"|a task of group \w+ in study.evaluations|the explored runs of its cells)|seeds: fewer .*|and \d+ more"
    r"|\d of \d tasks"
)


@dataclass(frozen=True)
class Study:
    """Made-up scores of all that the runs of a study are asked, and of nothing else."""

    params: Params
    scores: ModelScores
    reference: ModelScores

    @property
    def evaluations(self) -> dict[str, Evaluation]:
        gold = pd.DataFrame({"split": "test", "gold": list("abcd") * 6})
        return {
            task: Evaluation(task, "label", tuple("abcd"), gold) for task in self.params.study.evaluations
        }


@pytest.fixture(scope="module", params=["tiny", "smoke"])
def study(request: pytest.FixtureRequest) -> Study:
    name = request.param
    overrides = ["answer.explored_test_rows=12", "answer.general_test_rows=16"]
    overrides += [f"model=[phi3_{name},{LARGER}]"]
    params = check_params(compose(ROOT / "conf", name, overrides), where=name)
    return Study(params, made_up(params, f"phi3_{name}"), made_up(params, LARGER))


def made_up(params: Params, model: str) -> ModelScores:
    rng = np.random.default_rng(7)
    explored = explore_runs(params, model=model)
    chosen = {
        target: dearest_choice(params, target, candidates(params, target)[0])
        for target in params.study.targets
    }
    confirmed = confirm_runs(params, chosen, model=model)
    rows = [
        {"stage": stage, "run": run.id, "task": one.task, "item": item, "cluster": item[-2:-1] + item[-1:]}
        for stage, runs in (("explore", explored), ("confirm", confirmed))
        for run in runs
        for one in run.asked
        for item in sorted(sampled(TEST_ITEMS, one.test_rows))
    ]
    items = pd.DataFrame(rows)
    items["strict"] = np.where(rng.random(len(items)) < 0.7, "ok", "wrong")
    items["lenient"] = items["knowledge"] = items["strict"]
    right = (items["strict"] == "ok").groupby([items["stage"], items["run"], items["task"]])
    summary = right.agg(["mean", "size"]).set_axis(["accuracy_strict", "n"], axis="columns")
    dev = {(run.id, one.task): float(rng.random()) for run in explored for one in run.asked if one.dev}
    scores = ModelScores(
        model=model,
        summary=summary.assign(invalid_strict=0, invalid_lenient=0),
        items=items,
        selected={},
        explored=tuple(explored),
        confirmed=tuple(confirmed),
        dev=dev,
    )
    if params.model(model).untuned:
        return scores
    floors = {task: {"live": True} for task in params.study.evaluations}
    return replace(scores, selected=selected(params, scores), floors=floors)


def selected(params: Params, scores: ModelScores) -> dict[str, dict[str, Any]]:
    """What stage choose would write, if it always chose the first."""
    tasks = [task for task in finance(params) if task in params.study.tasks and candidates(params, task)]
    return {
        task: {
            **dearest_choice(params, task, candidates(params, task)[0]),
            "possible": len(candidates(params, task)),
            "chosen_on_test": max(
                candidates(params, task), key=lambda run: scores.value("explore", run, task) or 0.0
            ),
            "candidates": {run: scores.dev[run, task] for run in candidates(params, task)},
        }
        for task in tasks
    }


def finance(params: Params) -> list[str]:
    return [task for task in FINANCE_TASKS if task in params.study.evaluations]


def test_every_cell_of_two_explored_runs_has_a_number(study: Study) -> None:
    explored = {run.id for run in study.scores.explored}
    filled = []
    for rows in (
        transfer_rows(study.scores, params=study.params),
        leave_one_out_rows(study.scores, params=study.params),
    ):
        there = [row for row in rows if {row["run"], row["against"]} <= explored]
        there = [row for row in there if row["task"] in study.params.study.evaluations]
        assert all(row["delta"] is not None for row in there)
        filled.append(len(there))
    tasks, evaluated = study.params.study.tasks, study.params.study.evaluations
    mixed = [task for task in tasks if task in evaluated]
    if study.params.study.name == "tiny":
        assert filled == [len(mixed) * (len(tasks) - 1), len(evaluated) * len(tasks)]
    else:
        assert min(filled) > 0


def test_choices_on_dev_have_all_that_they_are_weighed_with(study: Study) -> None:
    curses = curse_rows(study.scores, params=study.params)
    assert [row["task"] for row in curses] == list(study.scores.selected)
    assert {row["n_items"] for row in curses} == {12}
    for row in budget_rows(study.scores, params=study.params):
        assert row["n_items"] == 12
    arms = {(row["task"], row["arm"]) for row in budget_rows(study.scores, params=study.params)}
    assert arms == {(target, arm) for target in study.params.study.targets for arm in ("singles", "mixtures")}


def test_advice_on_finance_tasks_lacks_no_answers(study: Study) -> None:
    rows = {row["task"]: row for row in advice_rows(study.scores, study.evaluations, params=study.params)}
    for task in finance(study.params):
        told = rows[task]["verdict"]
        assert told.startswith("not tested") == (study.params.study.name == "smoke"), told
    for run in study.scores.explored:
        if run.kind not in ("tuned", "shots"):
            assert {one.task for one in run.asked if one.dev} >= set(finance(study.params))


def test_every_confirmed_contrast_of_a_target_has_its_whole_test(study: Study) -> None:
    rows = effect_rows(study.scores, params=study.params)
    assert {row["n_items"] for row in rows} == {len(TEST_ITEMS)}
    for target in study.params.study.targets:
        arms = set(confirmed_arms(study.scores, target))
        expected = {name for name, both in CONTRASTS.items() if set(both) <= arms}
        assert {row["contrast"] for row in rows if row["target"] == target} == expected > set()


def contrasts(params: Params) -> Iterator[tuple[ContrastTest, str]]:
    for claim in read_claims(CLAIMS):
        if isinstance(claim.test, ContrastTest):
            yield from ((claim.test, task) for task in all_tasks_of(claim.test, params.fetch.sources))


def test_both_arms_of_every_claim_are_asked_the_same_items(study: Study) -> None:
    """Or what is missing is what the study leaves out on purpose."""
    compared = 0
    for test, task in contrasts(study.params):
        arms = [
            arm_runs(arm, study.scores, study.reference, task=task, params=study.params)
            for arm in (test.treatment, test.control)
        ]
        missing = [str(arm.missing) for arm in arms if arm.missing]
        assert all(LEFT_OUT.fullmatch(one) for one in missing)
        if not missing:
            sizes = {
                one.test_rows
                for arm in arms
                for run in (*arm.scores.explored, *arm.scores.confirmed)
                for one in run.asked
                if run.id in arm.runs and one.task == task
            }
            assert len(sizes) == 1
            compared += 1
    on_targets, elsewhere = {"tiny": (7 * 7, 3 * 2 + 2 * 1 + 1 + 2), "smoke": (7, 1)}[study.params.study.name]
    assert compared == on_targets + elsewhere


@pytest.mark.slow
def test_every_claim_is_tested_or_says_what_the_study_leaves_out(study: Study) -> None:
    claims = read_claims(CLAIMS)
    rows = judged_rows(claims, [study.scores, study.reference], study.evaluations, params=study.params)
    for claim in claims:
        reasons = [row.reason for row in rows[claim.id] if row.verdict == "not tested"]
        if isinstance(claim.test, CellsTest):
            reasons = [one for one in reasons if one.startswith("needs")]  # others are exploratory
        parts = {part for one in reasons for part in one.split("; ")}
        assert [part for part in parts if not LEFT_OUT.fullmatch(part)] == []


def test_every_cell_of_the_exploratory_claims_is_compared(study: Study) -> None:
    params, tasks = study.params, study.params.study.tasks
    found = {
        table: len(cell_drafts(CellsTest(kind="cells", table=table), study.scores, study.params)) - 1
        for table in ("transfer", "leave_one_out", "beside_open_orca")
    }
    if params.study.name == "smoke":
        assert found == {"transfer": 2, "leave_one_out": 4, "beside_open_orca": 0}
        return
    trained = [task for task in tasks if task in params.study.evaluations]
    general = [task for task in params.study.evaluations if task not in tasks]
    assert found == {
        "transfer": len(trained) * (len(tasks) - 1),
        "leave_one_out": len(trained) * (len(tasks) - 1) + len(general) * len(tasks),
        "beside_open_orca": len(trained) * (len(tasks) - 2) + len(general) * (len(tasks) - 1),
    }


@pytest.mark.slow
def test_arms_that_were_asked_other_items_are_not_contrasted(study: Study) -> None:
    """Though as many, of the same clusters."""
    if study.params.study.name == "smoke":
        pytest.skip("one seed confirms nothing")
    items = study.scores.items
    mine = items["run"].str.startswith("single_fpb-") & (items["task"] == "fpb")
    other = items.assign(item=items["item"].mask(mine & (items["item"] == TEST_ITEMS[0]), "row:99"))
    (claim,) = (one for one in read_claims(CLAIMS) if one.id == "mixture_vs_single")
    rows = judged_rows([claim], [replace(study.scores, items=other)], study.evaluations, params=study.params)[
        claim.id
    ]
    refused = [row for row in rows if row.scope == "fpb"]
    assert [row.reason for row in refused] == ["needs both arms to be asked the same items"]
    assert {row.verdict for row in refused} == {"not tested"}
    assert not [row for row in rows if row.scope == "twitter_sa" and "same items" in row.reason]


@pytest.mark.slow
@pytest.mark.parametrize(("lost", "seeds"), [((), 4), ((103,), 3), ((102, 103), 2)])
def test_a_seed_that_lacks_an_arm_is_left_out_and_named(lost: tuple[int, ...], seeds: int) -> None:
    overrides = ["model=[phi3_tiny]", "study.targets=[fpb]", "study.confirm_seeds=[101,102,103,104]"]
    params = check_params(compose(ROOT / "conf", "tiny", overrides), where="tiny")
    scores = made_up(params, "phi3_tiny")
    there = tuple(run for run in scores.confirmed if run.id not in {f"single_fpb-s{seed}" for seed in lost})
    study = Study(params, replace(scores, confirmed=there), scores)
    (claim,) = (one for one in read_claims(CLAIMS) if one.id == "mixture_vs_single")
    row = next(
        row
        for row in judged_rows([claim], [study.scores], study.evaluations, params=study.params)[claim.id]
        if row.scope == "fpb"
    )
    assert row.n_seeds == seeds
    assert [run[-3:] for run in row.control_runs] == [run[-3:] for run in row.treatment_runs]
    assert len(row.control_runs) == seeds
    named = f"seeds that lack an arm: {', '.join(map(str, lost))}"
    assert (named in row.reason) == bool(lost)
    assert row.reason.startswith("seeds: fewer than 3") == (seeds < 3)


def test_items_that_only_some_runs_were_asked_are_left_out() -> None:
    values = pd.DataFrame(
        {"a": [1.0, 0.0, 1.0], "b": [0.0, np.nan, 1.0], "c": [1.0, 1.0, np.nan], "d": [np.nan, 1.0, 0.0]},
        index=["base", "all", "single"],
    )
    table = OutcomeTable(values, pd.Series({"a": "1", "b": "1", "c": "2", "d": "2"}))
    for runs, items in (
        (["base"], "abc"),
        (["base", "all"], "ac"),
        (["single", "all"], "ad"),
        (["base", "all", "single"], "a"),
    ):
        found = table.of(runs)
        assert list(found.items) == list(items)
        assert list(found.clusters) == ["12"["abcd".index(item) // 2] for item in items]
        assert found.values.tolist() == values.loc[runs, list(items)].to_numpy().tolist()


def test_the_sample_of_a_test_is_fixed_and_nested() -> None:
    items = [f"fpb:test:{number}" for number in range(100)]
    assert sampled(items, 3) == {"fpb:test:44", "fpb:test:49", "fpb:test:80"}
    sizes = [0, 1, 10, 99, 100]
    samples = [sampled(reversed(items), size) for size in sizes]
    assert [len(sample) for sample in samples] == sizes
    assert all(small < large for small, large in pairwise(samples))
    assert sampled(items, None) == sampled(items, 101) == set(items)
    # More rows of a task change the sample only by what is among the smallest now.
    more = sampled([*items, "fpb:test:100"], 10)
    assert len(more - samples[2]) <= 1


def test_a_run_is_asked_the_items_that_it_is_scored_on(tmp_path: Path) -> None:
    params = check_params(compose(ROOT / "conf", "smoke", []), where="smoke")
    write_prepared(tmp_path, params)
    evaluations = read_evaluations(tmp_path)
    for asked in (Asked("fpb", True, 7), Asked("fpb", False, None), Asked("knowledge", True, 7)):
        shown = read_evaluation_set(tmp_path, asked).table
        gold = asked_items(evaluations[asked.task], asked)
        assert shown["item"].tolist() == gold["item"].tolist()
        tests = (shown["split"] == "test").sum()
        assert tests == (asked.test_rows or 60)
        assert len(shown) - tests == (20 if asked == Asked("fpb", True, 7) else 0)


def test_two_sizes_of_a_sample_are_two_exams(tmp_path: Path) -> None:
    params = check_params(compose(ROOT / "conf", "smoke", []), where="smoke")
    write_prepared(tmp_path, params)
    asked = [Asked("fpb", dev, rows) for dev in (True, False) for rows in (7, 8, None)]
    assert len({read_evaluation_set(tmp_path, one).digest() for one in asked}) == len(asked)
    assert (
        read_evaluation_set(tmp_path, Asked("fpb", True, 60)).digest()
        == read_evaluation_set(tmp_path, asked[2]).digest()
    )


def test_no_run_is_asked_a_set_twice(study: Study) -> None:
    runs: list[Run] = [*study.scores.explored, *study.scores.confirmed]
    assert all(len({one.task for one in run.asked}) == len(run.asked) > 0 for run in runs)


def test_what_claims_need_is_known_before_anything_runs() -> None:
    params = study_params(
        "tiny", "study.evaluations=[fpb,finqa,convfinqa,twitter_sa,gsm8k]", "study.targets=[fpb,twitter_sa]"
    )
    needed = lacking(read_claims(CLAIMS), params)
    general = ["regulariser", "regulariser_vs_size", "degradation", "no_broad_gain"]
    assert needed["financebench in study.evaluations"] == general
    assert "mixture_vs_single" in needed["headline in study.evaluations"]
    assert not any("math_in_finance" in claims for claims in needed.values())
    fewer = study_params("tiny", "study.confirm_also=[]")
    assert lacking(read_claims(CLAIMS), fewer)["confirm runs of without_orca_math"] == [
        "math_in_finance",
        "math_reasoning",
    ]
