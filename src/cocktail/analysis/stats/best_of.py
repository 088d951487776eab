"""What the best of k tries is worth when it is picked on dev and counted on test.

A recipe that was tried more often has a better best try by chance alone, so recipes are compared at the same
k: the expected value over all subsets of k of the n observed tries (Dodge et al. 2019, D19-1224; without
replacement, hence exact and unbiased, where their form draws with replacement). With tries sorted by their
dev score, the r-th of n is the picked one in C(r-1, k-1) of the C(n, k) subsets. Equal dev scores share
their weights: the pick among them is at random.

Of a handful of tries this describes, and decides nothing: of four tries the best of three is nearly always
one of the same two. The claim about equal tries is confirmed with fresh seeds instead.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import comb

from cocktail.errors import RecordError


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
