"""The run lists, by hand on small studies and by count on the paper's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from data_params import FINANCE_TASKS

from cocktail.config import Params, check_params, general_tasks
from cocktail.config.compose import compose, known_studies
from cocktail.data.confirmation import confirm_runs
from cocktail.data.grid import Asked, Run, candidates, explore_runs
from cocktail.errors import ConfigError

ROOT = Path(__file__).parents[2]


def known_methods() -> list[str]:
    return sorted(path.stem for path in (ROOT / "conf/method").glob("*.yaml"))


def study(name: str, *overrides: str) -> Params:
    return check_params(compose(ROOT / "conf", name, overrides), where=name)


def mixtures(params: Params) -> list[Run]:
    return [run for run in explore_runs(params) if run.kind not in ("base", "tuned")]


@pytest.mark.parametrize(("name", "count"), [("smoke", 7), ("tiny", 55), ("paper", 55)])
def test_every_mixture_of_the_grid_is_a_distinct_set_of_sources(name: str, count: int) -> None:
    runs = mixtures(study(name))
    assert len(runs) == count
    assert len({frozenset(run.sources) for run in runs}) == count
    assert len({run.id for run in runs}) == count


def test_leaving_out_finqa_keeps_convfinqa() -> None:
    run = next(run for run in explore_runs(study("paper")) if run.id == "without_finqa")
    assert "finqa" not in run.sources
    assert "convfinqa" in run.sources
    assert len(run.sources) == 8


def test_epochs_and_warmup_follow_the_paper() -> None:
    rules = {run.kind: (run.epochs, run.warmup_steps) for run in mixtures(study("paper"))}
    assert rules == {"single": (3.0, 0), "pair": (3.0, 0), "without": (2.0, 10), "all": (2.0, 10)}


def test_each_target_has_seventeen_candidates() -> None:
    params = study("paper")
    for target in FINANCE_TASKS:
        names = candidates(params, target)
        assert len(names) == 17  # 8 pairs, 8 leave-one-out, all
        assert f"without_{target}" not in names
        assert f"single_{target}" not in names


def test_tuned_singles_are_distinct_tries_of_their_target() -> None:
    params = study("tiny", "study.tries=5", "study.include=[tuned]")
    runs = [run for run in explore_runs(params) if run.kind == "tuned"]
    assert len(runs) == 5 * (len(params.study.targets) + 1)  # and of all
    everything = [run for run in runs if run.sources == tuple(params.study.tasks)]
    tries = [[(run.learning_rate, run.epochs, run.seed) for run in of] for of in (everything, runs[:5])]
    assert tries[0] == tries[1]
    fpb = [run for run in runs if run.sources == ("fpb",)]
    assert len({(run.learning_rate, run.epochs, run.seed) for run in fpb}) == 5


@pytest.mark.parametrize("method", known_methods())
@pytest.mark.parametrize("name", known_studies(ROOT / "conf"))
def test_tries_surround_the_learning_rate_that_is_trained_with(name: str, method: str) -> None:
    overrides = ("study.targets=[fpb]", "study.include=[tuned]", "study.tries=18")
    params = study(name, f"method={method}", *overrides)
    rates = {run.learning_rate for run in explore_runs(params) if run.kind == "tuned"}
    assert params.train.learning_rate in rates
    assert min(rates) < params.train.learning_rate < max(rates)


@pytest.mark.parametrize(
    ("name", "rates"), [("tiny", {0.0005, 0.001, 0.002}), ("paper", {1e-06, 3e-06, 1e-05})]
)
def test_learning_rates_of_tries_are_round_numbers(name: str, rates: set[float]) -> None:
    runs = explore_runs(study(name, "study.include=[tuned]", "study.tries=18"))
    assert {run.learning_rate for run in runs if run.kind == "tuned"} == rates


def test_more_tries_than_combinations_is_an_error() -> None:
    with pytest.raises(ConfigError, match="only 18 combinations"):
        explore_runs(study("tiny", "study.tries=19"))


def test_include_takes_kinds_and_run_ids_and_refuses_others() -> None:
    params = study("tiny", "study.include=[single,without_finqa,all]")
    assert len(explore_runs(params)) == 1 + 9 + 1 + 1
    with pytest.raises(ConfigError, match="did you mean 'without_finqa'"):
        explore_runs(study("tiny", "study.include=[without_finq]"))


MATCHED = "study.confirm_matched=[chosen,all,without_open_orca,without_orca_math]"


def test_confirm_has_the_matched_controls_after_what_they_match() -> None:
    params = study(
        "tiny", "study.targets=[fpb]", "study.confirm_seeds=[101]", "study.confirm_also=[]", MATCHED
    )
    runs = confirm_runs(params, {"fpb": {"chosen": "pair_fpb_finqa"}})
    ids = [run.id for run in runs]
    assert sorted(ids[:3]) == ["all-s101", "pair_fpb_finqa-s101", "single_fpb-s101"]
    assert sorted(ids[3:]) == [
        "size_fpb_as_all-s101",
        "size_fpb_as_pair_fpb_finqa-s101",
        "steps_fpb_as_all-s101",
        "steps_fpb_as_pair_fpb_finqa-s101",
    ]
    steps = next(run for run in runs if run.id == "steps_fpb_as_all-s101")
    single = next(run for run in runs if run.id == "single_fpb-s101")
    every = next(run for run in runs if run.id == "all-s101")
    assert steps == replace(
        single,
        id=steps.id,
        kind="steps",
        epochs=every.epochs,
        warmup_steps=every.warmup_steps,
        matches="all-s101",
    )
    assert all(run.seed == 101 for run in runs)


def test_confirm_runs_a_mixture_once_where_targets_share_it() -> None:
    params = study("tiny", "study.confirm_seeds=[101]", "study.confirm_also=[]")
    ids = [
        run.id for run in confirm_runs(params, {"fpb": {"chosen": "all"}, "twitter_sa": {"chosen": "all"}})
    ]
    assert len(ids) == len(set(ids)) == 1 + 2 + 2 * 2


def test_a_choice_outside_the_grid_is_a_clear_error() -> None:
    params = study("tiny", "study.targets=[fpb]", "study.include=[single,all]")
    with pytest.raises(ConfigError, match="no explored run is what was chosen for target 'fpb'"):
        confirm_runs(params, {"fpb": {"chosen": "pair_fpb_finqa"}})


SEEDS = (101, 102, 103)
CHOSEN = {"fpb": {"chosen": "without_open_orca"}, "twitter_sa": {"chosen": "all"}}


def test_confirm_also_adds_mixtures_and_changes_no_other_run() -> None:
    before = confirm_runs(study("tiny", "study.confirm_also=[]", MATCHED), CHOSEN)
    after = confirm_runs(study("tiny", "study.confirm_also=[without_orca_math]", MATCHED), CHOSEN)
    assert [run for run in after if run in before] == before
    added = [run for run in after if run not in before]
    names = ("without_orca_math", "size_without_orca_math_as_all")
    assert [run.id for run in added] == [f"{name}-s{seed}" for name in names for seed in SEEDS]
    assert [run.seed for run in added] == [101, 102, 103] * 2


@pytest.mark.slow
def test_a_mixture_that_is_confirmed_anyway_is_not_trained_twice() -> None:
    before = confirm_runs(study("tiny", "study.confirm_also=[]", MATCHED), CHOSEN)
    again = study("tiny", "study.confirm_also=[without_open_orca,all,single_fpb]", MATCHED)
    filled = [run for run in confirm_runs(again, CHOSEN) if run.id.startswith("size_without_")]
    assert [run.id for run in filled] == [f"size_without_open_orca_as_all-s{seed}" for seed in SEEDS]
    after = [run for run in confirm_runs(again, CHOSEN) if run not in filled]
    assert [replace(run, asked=()) for run in after] == [replace(run, asked=()) for run in before]
    more = {run.id for run, was in zip(after, before, strict=True) if run != was}
    assert more == {f"{name}-s{seed}" for name in ("without_open_orca", "single_fpb") for seed in SEEDS}
    for run in after:
        assert len(run.asked) == (10 if run.id in more or run.id.startswith("all-") else 1)


def test_confirm_also_takes_what_is_not_explored_and_refuses_what_is_no_mixture() -> None:
    params = study("tiny", "study.include=[single,all]", "study.targets=[fpb]")
    assert "without_open_orca-s101" in [run.id for run in confirm_runs(params, {"fpb": {"chosen": "all"}})]
    for name, hint in (("without_open_orc", "'without_open_orca'"), ("base", ""), ("tuned_fpb_1", "")):
        params = study("tiny", f"study.confirm_also=[{name}]")
        with pytest.raises(ConfigError, match=f"confirm_also: no mixture '{name}'.*{hint}"):
            confirm_runs(params, CHOSEN)


def test_explored_runs_are_asked_what_tables_and_advice_read() -> None:
    """Of finance tests a sample; general ones where a table or a claim compares them."""
    params = study("paper")
    runs = {run.id: run for run in explore_runs(params)}
    finance = {Asked(task, True, 300) for task in FINANCE_TASKS}
    general = {Asked(task, True, 200) for task in general_tasks()}
    assert {one.task for one in finance | general} == set(params.study.evaluations)
    assert set(runs["base"].asked) == {replace(one, test_rows=None) for one in finance} | general
    for run in runs.values():
        told = (run.id, set(run.asked))
        if run.kind == "tuned":
            tried = [task for task in params.study.targets if task in run.sources]
            assert told == (run.id, {Asked(task, True, 300) for task in tried})
        elif run.kind == "pair" and "open_orca" not in run.sources:
            assert told == (run.id, finance)
        elif run.kind != "base":
            assert told == (run.id, finance | general)


def test_confirmed_runs_are_asked_their_target_and_some_of_them_all() -> None:
    params = study("tiny")
    for run in confirm_runs(params, CHOSEN):
        name = run.id.removesuffix(f"-s{run.seed}")
        assert not any(one.dev for one in run.asked), "nothing is chosen after confirmation"
        assert len({one.task for one in run.asked}) == len(run.asked)
        filled = [f"size_{mixture}_as_all" for mixture in params.study.confirm_also]
        if name in ("all", *params.study.confirm_also, *filled):
            assert {one.task for one in run.asked} == set(params.study.evaluations)
        else:
            assert [one.task for one in run.asked] == [run.sources[0]]
        for one in run.asked:
            assert one.test_rows == (200 if one.task in general_tasks() else None)


def test_a_mixture_that_two_targets_chose_is_asked_both() -> None:
    params = study("tiny", "study.confirm_also=[]", "study.confirm_seeds=[101]")
    both = confirm_runs(params, {task: {"chosen": "pair_fpb_twitter_sa"} for task in ("fpb", "twitter_sa")})
    (shared,) = (run for run in both if run.id == "pair_fpb_twitter_sa-s101")
    assert shared.asked == (Asked("fpb", False, None), Asked("twitter_sa", False, None))
