"""What each run asks of each source and gets; numbers here are worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from data_params import FINANCE_TASKS, make_params

from cocktail.config import Params
from cocktail.data.confirmation import confirm_runs
from cocktail.data.grid import Run, explore_runs
from cocktail.data.mixture import (
    Mixture,
    draw,
    draw_all,
    mixture_rows,
    plan,
    read_mixture,
    source_sizes,
    train_items,
    write_mixtures,
)
from cocktail.data.table import COLUMNS, write_split
from cocktail.errors import ConfigError, RunError
from cocktail.files.records import read_json, write_json

PAPER_CAPS = {
    "headline": 10_000,
    "fpb": 5_000,
    "fin_ner_cls": 5_000,
    "finqa": 2_000,
    "convfinqa": 2_000,
    "twitter_topics": 2_500,
    "twitter_sa": 5_000,
}
# Train splits as published; the phrase bank has fewer rows than its cap.
PUBLISHED = {
    "headline": 82_161,
    "fpb": 3_878,
    "fin_ner_cls": 13_549,
    "finqa": 6_251,
    "convfinqa": 11_104,
    "twitter_topics": 16_990,
    "twitter_sa": 9_543,
    "orca_math": 200_035,
    "open_orca": 994_896,
    "filler": 100_000,
}


@pytest.fixture(scope="module")
def params() -> Params:
    return make_params(mix={"caps": PAPER_CAPS})


def runs_by_id(params: Params) -> dict[str, Run]:
    return {run.id: run for run in explore_runs(params)}


def asked(params: Params, run: Run, *, runs: list[Run] | None = None) -> dict[str, int]:
    sizes = source_sizes(params, PUBLISHED)
    return plan(run, sizes=sizes, available=PUBLISHED, runs=runs or explore_runs(params))


def test_the_general_sets_follow_from_the_rows_of_the_seven_as_in_the_paper(params: Params) -> None:
    total = 26_500 + 3_878  # G: the phrase bank gives all it has
    everything = asked(params, runs_by_id(params)["all"])
    assert everything == {**PAPER_CAPS, "orca_math": total // 2, "open_orca": total}


def test_a_source_gives_the_same_rows_to_every_run_also_alone_and_without_a_finance_set(
    params: Params,
) -> None:
    everything = asked(params, runs_by_id(params)["all"])
    for run in explore_runs(params):
        assert asked(params, run) == {name: everything[name] for name in run.sources}


def test_a_task_with_a_cap_above_its_rows_gives_all_and_the_study_sets_which_count_for_g() -> None:
    study = {"tasks": ["fpb", "finqa", "open_orca"], "targets": ["fpb"]}
    params = make_params(study=study, mix={"caps": {"finqa": 100, "fpb": 10_000}})
    sizes = source_sizes(params, PUBLISHED)
    assert sizes == {"fpb": 10_000, "finqa": 100, "open_orca": 3_978}


def few_items(**sizes: int) -> dict[str, list[str]]:
    return {name: [f"{name}:train:{number}" for number in range(size)] for name, size in sizes.items()}


def run_of(*sources: str, seed: int = 42, **fields: str) -> Run:
    return replace(Run(id="r", kind="pair", sources=sources, seed=seed), **fields)  # type: ignore[arg-type]


def test_a_source_with_too_few_rows_is_seen() -> None:
    mixture = draw(run_of("fpb"), asked={"fpb": 5}, items=few_items(fpb=3))
    assert (mixture.asked, mixture.got) == ({"fpb": 5}, {"fpb": 3})
    assert sorted(mixture.rows) == ["fpb:train:0", "fpb:train:1", "fpb:train:2"]


def test_rows_are_the_first_of_a_shuffle_and_then_mixed() -> None:
    items = few_items(fpb=100, finqa=50)
    one = draw(run_of("fpb", "finqa"), asked={"fpb": 40, "finqa": 20}, items=items)
    assert len(set(one.rows)) == 60
    names = [row.partition(":")[0] for row in one.rows]
    assert {"fpb", "finqa"} == set(names[:15])  # mixed, not one after the other
    assert list(one.rows) != sorted(one.rows)
    fewer = draw(run_of("fpb"), asked={"fpb": 10}, items=items)
    assert set(fewer.rows) < {row for row in one.rows if row.startswith("fpb")}


def test_the_seed_sets_sample_and_order() -> None:
    items = few_items(fpb=100)
    first, again, other = (
        draw(run_of("fpb", seed=seed), asked={"fpb": 40}, items=items).rows for seed in (42, 42, 101)
    )
    assert first == again
    assert set(first) != set(other)


def test_a_mixture_without_rows_is_refused() -> None:
    with pytest.raises(RunError, match="empty"):
        draw(run_of("fpb"), asked={"fpb": 5}, items=few_items(fpb=0))


def test_steps_and_size_controls_match_their_mixture(params: Params) -> None:
    chosen = {task: {"chosen": "pair_headline_fpb"} for task in FINANCE_TASKS}
    matched = ["chosen", "all", "without_orca_math"]
    one_target = {"targets": ["fpb"], "confirm_also": matched[2:], "confirm_matched": matched}
    study = params.study.model_copy(update=one_target)
    confirmed = confirm_runs(params.model_copy(update={"study": study}), chosen)
    found = {run.id: asked(params, run, runs=confirmed) for run in confirmed}
    assert found["steps_fpb_as_all-s101"] == found["single_fpb-s101"] == {"fpb": 5_000}
    assert found["size_fpb_as_pair_headline_fpb-s101"] == {"fpb": 5_000, "filler": 10_000}
    everything = sum(min(rows, PUBLISHED[name]) for name, rows in found["all-s101"].items())
    assert found["size_fpb_as_all-s101"]["filler"] + 3_878 == everything
    filled, without = found["size_without_orca_math_as_all-s101"], found["without_orca_math-s101"]
    assert filled == without | {"filler": found["all-s101"]["orca_math"]}


def test_a_control_without_the_run_it_matches_is_refused(params: Params) -> None:
    control = Run(id="size_fpb_as_all-s1", kind="size", sources=("fpb",), seed=1, matches="all-s1")
    with pytest.raises(RunError, match="all-s1"):
        asked(params, control)


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """Prepared folders of three sources and an evaluation, with invented rows."""
    folder = tmp_path / "prepared"
    for name, size in {"fpb": 30, "finqa": 20, "filler": 90, "gsm8k": 0}.items():
        rows = pd.DataFrame({column: [f"{column} {number}" for number in range(size)] for column in COLUMNS})
        write_split(folder, name, "train", rows.assign(item=[f"{name}:train:{n}" for n in range(size)]))
    facts = {name: {"trains": name != "gsm8k"} for name in ("fpb", "finqa", "filler", "gsm8k")}
    write_json(folder / "tasks.json", facts)
    return folder


@pytest.fixture
def small() -> Params:
    study = {"tasks": ["fpb", "finqa"], "targets": ["fpb"]}
    return make_params(study=study, mix={"caps": {"fpb": 10, "finqa": 1_000}})


def test_mixtures_are_written_with_their_list_and_read_back(
    prepared: Path, small: Params, tmp_path: Path
) -> None:
    runs = explore_runs(small)
    mixtures = draw_all(runs, params=small, prepared=prepared)
    assert list(mixtures) == [run.id for run in runs if run.id != "base"]
    write_mixtures(tmp_path / "mixtures", mixtures)
    assert read_json(tmp_path / "mixtures/index.json") == {"runs": list(mixtures)}
    for name, mixture in mixtures.items():
        assert read_mixture(tmp_path / "mixtures", name) == mixture


def test_the_rows_of_a_mixture_come_in_training_order(prepared: Path, small: Params) -> None:
    mixture = draw_all(explore_runs(small), params=small, prepared=prepared)["pair_fpb_finqa"]
    rows = mixture_rows(mixture, prepared)
    assert isinstance(mixture, Mixture)
    assert rows["item"].tolist() == list(mixture.rows)
    assert len(rows) == 30
    first = mixture.rows[0].rpartition(":")[2]
    assert rows["input"][0] == f"input {first}"


def test_a_size_control_draws_filler_rows(prepared: Path, small: Params) -> None:
    runs = confirm_runs(small, {"fpb": {"chosen": "pair_fpb_finqa"}})
    mixtures = draw_all(runs, params=small, prepared=prepared)
    control = mixtures["size_fpb_as_pair_fpb_finqa-s101"]
    assert control.sources == ("fpb", "filler")
    assert control.got == {"fpb": 10, "filler": 20}
    assert len(mixture_rows(control, prepared)) == 30
    single = mixtures["single_fpb-s101"]
    assert set(single.rows) <= set(control.rows)  # the same target rows as the single of that seed


def test_only_tasks_that_train_are_items(prepared: Path) -> None:
    assert set(train_items(prepared)) == {"fpb", "finqa", "filler"}


@pytest.mark.parametrize(
    ("mix", "expected"),
    [
        ({"temperature": 1.0}, {"headline": 900, "fpb": 100}),
        ({"temperature": 2.0}, {"headline": 750, "fpb": 250}),  # roots 30 : 10
        ({"temperature": 1e9}, {"headline": 500, "fpb": 500}),
        ({"weights": {"fpb": 3.0}}, {"headline": 750, "fpb": 250}),  # 900 : 300
        ({"weights": {"fpb": 3.0}, "temperature": 2.0}, {"headline": 500, "fpb": 500}),  # 30 : 30
    ],
)
def test_temperature_and_weights_share_out_the_same_rows_anew(
    mix: dict[str, Any], expected: dict[str, int]
) -> None:
    """G stays, so the two general sets give as many rows as before."""
    study = {"tasks": ["headline", "fpb", "orca_math", "open_orca"], "targets": ["fpb"]}
    params = make_params(study=study, mix={"caps": {"headline": 900, "fpb": 100}, **mix})
    assert source_sizes(params, PUBLISHED) == {**expected, "orca_math": 500, "open_orca": 1000}


def test_a_source_that_is_asked_for_more_than_it_has_gives_all() -> None:
    study = {"tasks": ["headline", "fpb", "open_orca"], "targets": ["fpb"]}
    params = make_params(study=study, mix={"caps": {"headline": 900, "fpb": 5_000}, "temperature": 2.0})
    available = {**PUBLISHED, "fpb": 100}
    sizes = source_sizes(params, available)
    assert sizes == {"headline": 750, "fpb": 250, "open_orca": 850}
    assert draw(run_of("fpb"), asked={"fpb": sizes["fpb"]}, items=few_items(fpb=100)).got == {"fpb": 100}


def test_a_weight_of_an_unknown_source_is_refused() -> None:
    with pytest.raises(ConfigError, match="no task with a weight 'fbp'"):
        make_params(mix={"caps": PAPER_CAPS, "weights": {"fbp": 2.0}})
