"""Is any of many mixtures better than the single, when all of them were looked at on one test set?

Hansen's test of superior predictive ability (2005) and the stepwise Romano-Wolf test (StepM, 2005), as the
``arch`` package has them, with clusters of items in the place of periods and blocks of one cluster. They
belong to the winner's-curse table only: there the mixture is picked on test. They know the variance of the
items and nothing of seeds, so they speak of these weights; after a choice on dev and confirmation with
fresh seeds no verdict needs them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from arch.bootstrap import StepM
from numpy.typing import ArrayLike, NDArray

from cocktail.errors import RecordError

SIZE = 0.05
MIN_CLUSTERS = 10  # the test's own threshold is a log(log(clusters)); of a few clusters it says nothing


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
