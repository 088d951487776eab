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

LEAST_NOISE = 0.5  # points; a score of 0 or 100 is no certainty
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
    wide, known = (design(sets, tasks, target) for sets in (candidates, list(measured)))
    mean, covariance = posterior(
        known, np.array(list(measured.values())), np.array(noise), spreads_of(tasks, target)
    )
    left = [one for one in grid if one not in measured]
    picked: list[tuple[Sources, float]] = []
    while left and len(picked) < count:
        differences, weights = _rivals(wide, mean, covariance)
        rows = design(left, tasks, target)
        worth = [_narrowed(row, differences, weights, covariance, noise) for row in rows]
        place = int(np.argmax(np.round(worth, 9)))  # equal ones: the first of the grid, on any CPU
        picked.append((left.pop(place), float(np.sqrt(max(worth[place], 0.0)))))
        row = rows[place]
        covariance = covariance - np.outer(covariance @ row, row @ covariance) / (
            row @ covariance @ row + noise**2
        )
    return picked


def design(sets: Sequence[Sources], tasks: Sequence[str], target: str) -> Array:
    """Return one row for each set of sources: 1 for base, then its columns of the model of gain."""
    columns = 1 + len(tasks) + len(partners_of(tasks, target))
    rows = [np.concatenate([[1.0], feature_row(one, tasks, target)]) for one in sets]
    return np.array(rows, dtype=np.float64).reshape(len(sets), columns)


def spreads_of(tasks: Sequence[str], target: str) -> Array:
    """Return how far apart, in points, each column of :func:`design` is thought to lie beforehand."""
    alone = [BASE_SPREAD if task == target else SPREAD for task in tasks]
    return np.array([BASE_SPREAD, *alone, *(SPREAD for _ in partners_of(tasks, target))])


def score_noise(scores: Array, items: int) -> Array:
    """Return the standard error of one score, in points, from scores of as many items along the last axis."""
    shares = scores / 100
    spread: Array = 100 * np.sqrt(np.mean(shares * (1 - shares), axis=-1) / max(1, items))
    return np.maximum(LEAST_NOISE, spread)


def posterior(rows: Array, scores: Array, noise: Array, spreads: Array) -> tuple[Array, Array]:
    """Return mean and covariance of what the columns give once runs with these rows and scores are known.

    Of many sets of runs at once where the arrays have leading axes; ``noise`` has these only. The mean is
    that of scores minus their own mean, so it ranks mixtures; it is not their score.
    """
    centred = scores - scores.mean(axis=-1, keepdims=True) if scores.shape[-1] else scores
    across, variance = np.swapaxes(rows, -1, -2), np.square(noise)[..., None, None]
    precision: Array = np.diag(1 / np.square(spreads)) + across @ rows / variance
    covariance: Array = np.linalg.inv(precision).astype(np.float64)
    mean: Array = covariance @ (across @ centred[..., None]) / variance
    return mean[..., 0], covariance


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
