"""Where it cannot advise, ``cocktail advise`` says what was measured, what is missing, what tells most."""

from __future__ import annotations

import numpy as np
import pytest
from test_advice import TASKS, additive, items, outcomes

from cocktail.analysis.advice.following import next_runs
from cocktail.analysis.advice.gain import Sources, fitting_sets
from cocktail.analysis.advice.scores import grid_of
from cocktail.analysis.advice.standing import following, standing_lines

GRID = list(grid_of(TASKS).values())


def picked(measured: dict[Sources, float], count: int = 6, noise: float = 1.0) -> list[Sources]:
    found = next_runs(measured, TASKS, GRID, target="fpb", noise=noise, count=count)
    assert all(settles >= 0 for _, settles in found)
    return [sources for sources, _ in found]


def test_nothing_measured_yet_still_names_runs_and_none_twice() -> None:
    found = picked({}, count=len(GRID))
    assert sorted(found) == sorted(GRID)
    assert picked({}) == found[:6]


def test_nothing_is_left_where_all_is_measured() -> None:
    assert picked({sources: additive(sources) for sources in GRID}) == []


def test_a_source_that_no_run_has_seen_beside_the_target_goes_first() -> None:
    """All but what twitter_sa does beside fpb is known: the runs that tell have both."""
    left = ("fpb", "twitter_sa")
    measured = {one: additive(one) for one in fitting_sets(TASKS) if one != left}
    first = picked(measured, count=1, noise=0.5)[0]
    assert {"fpb", "twitter_sa"} <= {*first}


def test_chosen_runs_come_to_the_best_mixture_sooner_than_late_ones() -> None:
    """Half of the grid, chosen so, finds a mixture as good as the best but for little."""
    measured: dict[Sources, float] = {}
    for _ in range(len(GRID) // 2):
        (one,) = picked(measured, count=1)
        measured[one] = additive(one)
    with_target = [one for one in GRID if "fpb" in one]
    best = max(additive(one) for one in with_target)
    assert max(additive(one) for one in measured if "fpb" in one) == pytest.approx(best, abs=3)


def test_what_is_missing_is_named_and_asked_for() -> None:
    table = items(np.random.default_rng(3))
    table = table[~table["run"].isin(["pair_fpb_finqa", "all"])]
    said = "\n".join(standing_lines(outcomes(table), target="fpb"))
    assert "What was measured of fpb: 11 of 13 runs" in said
    assert "What is missing: pair_fpb_finqa, all." in said
    assert "best mixture so far: " in said and "minus single_fpb: " in said
    names = [run for run, _ in following(outcomes(table), target="fpb", count=6)]
    assert names and set(names) <= {"pair_fpb_finqa", "all"}


def test_what_to_explore_next_follows_from_dev_and_never_from_test() -> None:
    table = items(np.random.default_rng(3))
    table = table[table["run"].isin(["base", "single_fpb", "all", "pair_fpb_finqa", "pair_fpb_headline"])]

    def runs(split: str) -> list[tuple[str, float]]:
        """With one mixture that is right on every item of a split."""
        spoilt = (table["run"] == "pair_fpb_finqa") & (table["split"] == split)
        changed = table.assign(strict=table["strict"].mask(spoilt, "ok"))
        return following(outcomes(changed), target="fpb", count=4)

    assert {*table["split"]} == {"dev", "test"}
    assert runs("test") == following(outcomes(table), target="fpb", count=4) != runs("dev")
