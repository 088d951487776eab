"""What explored runs say of a target where no model may advise: the best so far, against single and all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cocktail.analysis.advice.following import next_runs, score_noise
from cocktail.analysis.advice.scores import GridOutcomes, answered_by_all, explored_items, grid_of
from cocktail.analysis.stats.crossed import crossed_effect
from cocktail.files.text import with_interval

NOISE = 5.0  # points: of a score, where none is known yet


def standing_lines(outcomes: GridOutcomes, *, target: str, model: str = "") -> Iterator[str]:
    """Yield what was measured, the best mixture so far with its intervals, and which runs are missing."""
    tasks = tuple(outcomes.tasks)
    with_target = target in tasks  # else every mixture can tell
    grid = {run: one for run, one in grid_of(tasks).items() if not one or not with_target or target in one}
    values, clusters = _outcomes(outcomes, "test", target=target, model=model)
    measured = [run for run in grid if run in values.index]
    yield (
        f"What was measured of {target}: {len(measured)} of {len(grid)} runs that can tell (base, mixtures "
        f"with it), on {values.shape[1]} test items, one seed."
    )
    means = {run: 100 * float(np.mean(values.loc[run].to_numpy())) for run in measured}
    mixed = [run for run in measured if len(grid[run]) > 1]
    if mixed:
        best = max(mixed, key=lambda run: means[run])
        yield f"  best mixture so far: {best}, {means[best]:.1f} points (picked on them: looks too good)"
        for other in (f"single_{target}", "all"):
            if other in means and other != best and len(set(clusters)) > 1:
                effect = crossed_effect(values.loc[[best]], values.loc[[other]], clusters)
                points = (100 * effect.estimate, 100 * effect.low, 100 * effect.high)
                yield f"  minus {other}: {with_interval(*points, minus='-')}"
    missing = [run for run in grid if run not in measured]
    yield f"What is missing: {', '.join(missing) or 'no run of the grid'}."
    if not missing:
        yield (
            "  More runs at this seed tell no more; more test items do (answer.explored_test_rows; where "
            "all are asked, more labelled rows), and more fresh seeds (study.confirm_seeds)."
        )


def following(outcomes: GridOutcomes, *, target: str, model: str = "", count: int) -> list[tuple[str, float]]:
    """Return the runs to explore next, and by how many points each narrows the differences to the best.

    They follow from dev, so that test has no part in what is explored; records keep test items alone.
    """
    tasks = tuple(outcomes.tasks)
    grid = grid_of(tasks)
    values, _ = _outcomes(outcomes, "dev", target=target, model=model)
    asked = [run for run in grid if run in values.index]
    means = {grid[run]: 100 * float(np.mean(values.loc[run].to_numpy())) for run in asked}
    known = np.array(list(means.values()))
    noise = float(score_noise(known, values.shape[1])) if means else NOISE
    picked = next_runs(means, tasks, list(grid.values()), target=target, noise=noise, count=count)
    ids = {sources: run for run, sources in grid.items()}
    return [(ids[sources], settles) for sources, settles in picked]


def _outcomes(
    outcomes: GridOutcomes, split: str, *, target: str, model: str
) -> tuple[pd.DataFrame, NDArray[np.str_]]:
    """Outcomes of the untuned base and of every mixture on a split's items, and the items' clusters."""
    _, mine = explored_items(outcomes, target=target, model=model)
    if "split" in mine:
        known = split if (mine["split"] == split).any() else "test"
        mine = mine[mine["split"] == known]
    return answered_by_all(mine[mine["run"].isin(list(grid_of(outcomes.tasks)))])
