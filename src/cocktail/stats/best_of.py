"""What the best of k tries is worth when it is picked on dev and counted on test.

A recipe that was tried more often has a better best try by chance alone, so recipes are compared at the same
k: the expected value over all subsets of k of the n observed tries (Dodge et al. 2019, D19-1224; without
replacement, hence exact and unbiased, where their form draws with replacement). With tries sorted by their
dev score, the r-th of n is the picked one in C(r-1, k-1) of the C(n, k) subsets. Equal dev scores share
their weights: the pick among them is at random.

The interval of a difference has the parts of ``stats.crossed``: the tries of either arm, unpaired, by the
jackknife over tries (the estimator is a U-statistic; Efron and Stein 1981: never too small on average), and
the cluster-robust part of the difference per item. The dev items are held fixed; the noise that they bring
to the choice differs from try to try and so is in the tries' part.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import comb

from cocktail.errors import RecordError
from cocktail.stats.crossed import MIN_SEEDS, Effect, effect_of_parts


@dataclass(frozen=True)
class Tries:
    """The tries of one recipe.

    Attributes:
        dev: the score by which a try is picked, shape (tries,).
        test: outcomes on test, shape (tries, items), tries in the order of ``dev``.
    """

    dev: NDArray[np.float64]
    test: NDArray[np.float64]


def expected_best(scores: ArrayLike, k: int) -> float:
    """Return the expected maximum of k tries drawn without replacement from the observed ``scores``.

    Raises:
        RecordError: k is not between 1 and the number of tries, or a score is missing.
    """
    values = np.asarray(scores, dtype=np.float64)
    return float(pick_weights(values, k) @ values)


def pick_weights(dev: ArrayLike, k: int) -> NDArray[np.float64]:
    """Return the probability that each try is the one picked on ``dev`` among k drawn tries; the sum is 1.

    Raises:
        RecordError: as for :func:`expected_best`.
    """
    scores = np.asarray(dev, dtype=np.float64)
    if scores.ndim != 1 or not np.isfinite(scores).all():
        raise RecordError(f"scores of tries must be a list of finite numbers, got shape {scores.shape}")
    if not 1 <= k <= len(scores):
        raise RecordError(f"the best of {k} tries cannot be had from {len(scores)} observed tries")
    # Of the subsets, those whose best is at or below a score: C(tries at or below, k).
    _, index, counts = np.unique(scores, return_inverse=True, return_counts=True)
    shares = np.diff(comb(counts.cumsum(), k), prepend=0.0) / comb(len(scores), k)
    weights: NDArray[np.float64] = (shares / counts)[index]
    return weights


def picked_value(tries: Tries, k: int) -> float:
    """Return the expected test score of the try that is best on dev among k."""
    return float(pick_weights(tries.dev, k) @ tries.test.mean(axis=1))


def best_of_effect(
    treatment: Tries, control: Tries, clusters: ArrayLike, *, k: int, confidence: float = 0.95
) -> Effect:
    """Return the picked value of ``treatment`` minus that of ``control``, both at k tries.

    In the result ``n_seeds`` is the number of tries of the arm that has fewer, and ``seed_share`` the part
    of the variance that comes from the tries.

    Args:
        treatment, control: any number of tries each, the same test items in the same order.
        clusters: cluster id of each test item, shape (items,).

    Raises:
        RecordError: shapes do not fit; an arm has fewer than three tries, or no more than k: with one
            subset of k nothing tells how it would vary; fewer than two clusters.
    """
    return best_of_macro([(treatment, control, clusters)], k=k, confidence=confidence)


def best_of_macro(
    tasks: Sequence[tuple[Tries, Tries, ArrayLike]], *, k: int, confidence: float = 0.95
) -> Effect:
    """Return the mean over tasks of :func:`best_of_effect`, each task with the same weight.

    Tries may be shared (a mixture is a try of
    every task in it), in ways that the picks hide: an arm's tries' part is that of fully correlated tasks,
    the square of their mean standard error, which is never too small.

    Args:
        tasks: (treatment, control, clusters) of each task.
    """
    ids = [np.asarray(clusters) for *_, clusters in tasks]
    checked = [
        [_checked(tries, mine, k) for tries in arms] for (*arms, _), mine in zip(tasks, ids, strict=True)
    ]
    values = [
        pick_weights(one.dev, k) @ one.test - pick_weights(other.dev, k) @ other.test
        for one, other in checked
    ]
    parts = [
        (float(np.mean([_tries_variance(tries, k) ** 0.5 for tries in arm])) ** 2, _fewest(arm) - 1)
        for arm in zip(*checked, strict=True)
    ]
    fewest = min(_fewest(arms) for arms in checked)
    return effect_of_parts(values, ids, parts, num_seeds=fewest, confidence=confidence)


def _fewest(arms: Iterable[Tries]) -> int:
    return min(len(arm.dev) for arm in arms)


def _checked(tries: Tries, ids: NDArray[np.generic], k: int) -> Tries:
    num_tries = len(tries.dev)
    if tries.test.shape != (num_tries, *ids.shape) or not np.isfinite(tries.test).all():
        raise RecordError(
            f"outcomes of {num_tries} tries on {len(ids)} items must be finite numbers of that shape, "
            f"got shape {tries.test.shape}"
        )
    if num_tries < max(MIN_SEEDS, k + 1):
        raise RecordError(
            f"an interval for the best of {k} needs {max(MIN_SEEDS, k + 1)} tries or more, got {num_tries}",
            fix="a larger study.tries, or a smaller k",
        )
    return tries


def _tries_variance(tries: Tries, k: int) -> float:
    """Jackknife variance of :func:`picked_value` over the tries."""
    scores, n = tries.test.mean(axis=1), len(tries.dev)
    without = [np.arange(n) != left for left in range(n)]
    values = np.array([pick_weights(tries.dev[kept], k) @ scores[kept] for kept in without])
    return float((n - 1) * values.var())
