"""Which runs to explore next for a target: those whose outcome would most change which mixture looks best.

The model of gain once more (``advice.gain``), as a normal prior over what sources give: a score is base plus
a_s plus c_s, each a_s and c_s of mean 0. What is measured makes the prior a posterior; a run not yet made
narrows it further, by as much whatever comes out. Candidates are weighed by how likely it is that they beat
the one that looks best now, so a run counts that tells close rivals apart, not one that tells what is known.
Runs are picked one after the other, each with the ones before it thought made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cocktail.analysis.advice.gain import Sources, feature_row, partners_of

Array = NDArray[np.float64]

SPREAD = 10.0  # points: how far apart gains of sources are thought to lie before anything is measured
BASE_SPREAD = 50.0  # the same of the base's score, and of what the target's own rows give


def next_runs(
    measured: Mapping[Sources, float],
    tasks: Sequence[str],
    grid: Sequence[Sources],
    *,
    target: str,
    noise: float,
    count: int,
) -> list[tuple[Sources, float]]:
    """Return the runs of the grid to explore next, the most telling first; none where all are measured.

    With each, by how many points (standard deviation) it narrows the weighed differences to the best.

    Args:
        measured: scores of explored runs, in points.
        tasks: the sources of the study.
        grid: the sources of every run that can be made, the base among them.
        target: the task that is to gain.
        noise: standard error of one score, in points; above 0.
        count: how many.
    """
    candidates = [one for one in grid if one and (target not in tasks or target in one)]
    wide = np.array([_row(one, tasks, target) for one in candidates])
    spreads = [BASE_SPREAD, *(BASE_SPREAD if task == target else SPREAD for task in tasks)]
    spreads += [SPREAD] * len(partners_of(tasks, target))
    mean, covariance = np.zeros(wide.shape[1]), np.diag(np.square(spreads))
    centre = float(np.mean(list(measured.values()))) if measured else 0.0
    for sources, score in measured.items():
        row = _row(sources, tasks, target)
        gain = covariance @ row / (row @ covariance @ row + noise**2)
        mean = mean + gain * (score - centre - row @ mean)
        covariance = covariance - np.outer(gain, row @ covariance)
    left = [one for one in grid if one not in measured]
    picked: list[tuple[Sources, float]] = []
    while left and len(picked) < count:
        differences, weights = _rivals(wide, mean, covariance)
        worth = [_narrowed(_row(one, tasks, target), differences, weights, covariance, noise) for one in left]
        place = int(np.argmax(np.round(worth, 9)))  # equal ones: the first of the grid, on any CPU
        sources = left.pop(place)
        picked.append((sources, float(np.sqrt(max(worth[place], 0.0)))))
        row = _row(sources, tasks, target)
        covariance = covariance - np.outer(covariance @ row, row @ covariance) / (
            row @ covariance @ row + noise**2
        )
    return picked


def _row(sources: Sources, tasks: Sequence[str], target: str) -> Array:
    return np.concatenate([[1.0], feature_row(sources, tasks, target)])


def _rivals(wide: Array, mean: Array, covariance: Array) -> tuple[Array, Array]:
    """Each candidate minus the one that looks best, as a direction; and how likely it is the better one."""
    best = int(np.argmax(np.round(wide @ mean, 9)))
    differences = wide - wide[best]
    spread = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", differences, covariance, differences), 1e-12))
    return differences, stats.norm.cdf(differences @ mean / spread)


def _narrowed(row: Array, differences: Array, weights: Array, covariance: Array, noise: float) -> float:
    """The weighed variance of the differences that a run takes away; square points."""
    shared = differences @ covariance @ row
    return float(weights @ shared**2 / (row @ covariance @ row + noise**2) / weights.sum())
