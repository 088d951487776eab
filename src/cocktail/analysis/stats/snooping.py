"""Best of many tries: what it is worth picked on dev, and whether one picked on test beats the single at all.

**Best of k.** A recipe that was tried more often has a better best try by chance alone, so recipes are
compared at the same k: the expected value over all subsets of k of the n observed tries (Dodge et al. 2019,
D19-1224; without replacement, hence exact and unbiased, where their form draws with replacement). With tries
sorted by their dev score, the r-th of n is the picked one in C(r-1, k-1) of the C(n, k) subsets. Equal dev
scores share their weights: the pick among them is at random. Of a handful of tries this describes, and
decides nothing: of four tries the best of three is nearly always one of the same two. The claim about equal
tries is confirmed with fresh seeds instead.

**Snooping.** Hansen's test of superior predictive ability (2005) and the stepwise Romano-Wolf test (StepM,
2005), as the ``arch`` package has them, with clusters of items in the place of periods and blocks of one
cluster. They belong to the winner's-curse table only: there all mixtures were looked at on one test set, and
one is picked on it. They know the variance of the items and nothing of seeds, so they speak of these weights;
after a choice on dev and confirmation with fresh seeds no verdict needs them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from arch.bootstrap import StepM
from numpy.typing import ArrayLike, NDArray
from scipy.special import comb

from cocktail.errors import RecordError

SIZE = 0.05
MIN_CLUSTERS = 10  # the test's own threshold is a log(log(clusters)); of a few clusters it says nothing


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


def picked_value(dev: ArrayLike, test: NDArray[np.float64], k: int) -> float:
    """Return the expected test score of the try that is best on dev among k.

    Args:
        dev: the score by which a try is picked, shape (tries,).
        test: outcomes on test, shape (tries, items), tries in the order of ``dev``.
    """
    return float(pick_weights(dev, k) @ test.mean(axis=1))


@dataclass(frozen=True)
class Snooping:
    """What is left after looking at all candidates at once.

    Attributes:
        p: of "no candidate is better than the benchmark" (Hansen's consistent p-value, one-sided).
        better: places of the candidates that StepM calls better, family-wise error ``SIZE``.
    """

    p: float
    better: tuple[int, ...]


def snooping_test(
    benchmark: ArrayLike, candidates: ArrayLike, clusters: ArrayLike, *, seed: int, reps: int = 2000
) -> Snooping:
    """Test all ``candidates`` against ``benchmark`` at once.

    Args:
        benchmark: outcomes on test, shape (items,).
        candidates: outcomes on the same items, shape (candidates, items).
        clusters: cluster id of each item, shape (items,).
        seed: of the bootstrap.

    Raises:
        RecordError: shapes do not fit, or there are too few clusters.
    """
    base, others, ids = np.asarray(benchmark, float), np.asarray(candidates, float), np.asarray(clusters)
    if others.ndim != 2 or base.shape != ids.shape or others.shape[1:] != ids.shape:
        raise RecordError(
            f"outcomes and clusters are not of the same items: {base.shape}, {others.shape}, {ids.shape}"
        )
    shares = _cluster_shares(np.vstack([base, others]), ids)
    if len(shares) < MIN_CLUSTERS:
        raise RecordError(f"a snooping test needs {MIN_CLUSTERS} clusters or more, got {len(shares)}")
    gains = shares[:, 1:] - shares[:, :1]
    varied = np.flatnonzero(gains.std(axis=0) > 0)  # a copy of the benchmark is no candidate
    if not len(varied) or gains.mean(axis=0).max() <= 0:
        return Snooping(p=1.0, better=())
    # StepM of arch 8.0 fails when it finds all candidates better in several steps: a hopeless one is left
    # over, which never decides a maximum. Remove it when arch does not need it.
    losses = -np.column_stack([shares[:, 1 + varied], shares[:, 0] - shares.max() - 1])
    step = StepM(-shares[:, 0], losses, size=SIZE, block_size=1, reps=reps, bootstrap="circular", seed=seed)
    step.compute()
    step.spa.compute()  # of all candidates again, from the same samples
    p = (float(step.spa.pvalues["consistent"]) * reps + 1) / (reps + 1)  # finitely many show no zero
    better = varied[np.asarray(step.superior_models, dtype=int)]
    return Snooping(p=p, better=tuple(better.tolist()))


def _cluster_shares(outcomes: NDArray[np.float64], ids: NDArray[np.generic]) -> NDArray[np.float64]:
    """Sums per cluster, shape (clusters, models), scaled so that their mean is the mean over items."""
    _, index = np.unique(ids, return_inverse=True)
    num_clusters = int(index.max()) + 1
    sums = np.stack([np.bincount(index, weights=row) for row in outcomes], axis=1)
    shares: NDArray[np.float64] = sums * num_clusters / len(ids)
    return shares
