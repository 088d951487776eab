"""Parts of the variance of a mean over tasks: what seeds add, and what clusters of items add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from cocktail.errors import RecordError

Arm = Literal["treatment", "control"]
Array = NDArray[np.float64]
Part = tuple[float, int]  # a variance, and its degrees of freedom


def seed_parts(
    retrained: Mapping[Arm, Sequence[Array]], runs: Mapping[str, Sequence[Sequence[str]]]
) -> list[Part]:
    """Return the seeds' parts of the variance of the mean over tasks; see ``crossed_macro``."""
    means = {side: [arm.mean(axis=1) for arm in arms] for side, arms in retrained.items()}
    num_tasks = len(next(iter(means.values()), ()))
    blocks = {side: _sharing(runs[side]) for side in means}
    paired: list[int] = []
    if len(means) == 2:
        alone = [{task for block in found if len(block) == 1 for task in block} for found in blocks.values()]
        paired = sorted(set.intersection(*alone))
    parts = []
    for task in paired:
        ours, theirs = (scores[task] for scores in means.values())
        if ours.shape != theirs.shape:
            raise RecordError(f"arms have not the same seeds: {len(ours)} and {len(theirs)} of them")
        parts.append(seed_part(ours - theirs, num_tasks=num_tasks))
    for side, scores in means.items():
        for block in blocks[side]:
            if block[0] in paired:
                continue
            if len({len(scores[task]) for task in block}) > 1:
                raise RecordError("an arm has not the same number of seeds on all tasks that share its runs")
            parts.append(seed_part(np.sum([scores[task] for task in block], axis=0), num_tasks=num_tasks))
    return parts


def seed_part(by_seed: Array, *, num_tasks: int) -> Part:
    """Return what one value a seed adds to the variance of a mean over tasks, and its degrees of freedom."""
    return float(by_seed.var(ddof=1)) / len(by_seed) / num_tasks**2, len(by_seed) - 1


def _sharing(runs: Sequence[Sequence[str]]) -> list[list[int]]:
    """Return the tasks, by place, in sets that share runs."""
    names = [np.array(ids or [f"of task {task} alone"]) for task, ids in enumerate(runs)]
    return [list(map(int, group)) for group in _groups(names)]


def cluster_parts(
    values: Sequence[NDArray[np.float64]], clusters: Sequence[NDArray[np.generic]]
) -> list[tuple[float, int]]:
    """Each group's part of the variance of the mean over tasks (CR1), and its number of clusters."""
    if any(len(np.unique(ids)) < 2 for ids in clusters):
        raise RecordError("an interval needs items of two clusters or more")
    found = []
    for group in _groups(clusters):
        shares = [(values[t] - values[t].mean()) / (len(values[t]) * len(values)) for t in group]
        _, index = np.unique(np.concatenate([clusters[t] for t in group]), return_inverse=True)
        sums = np.bincount(index, weights=np.concatenate(shares))
        found.append((float(len(sums) / (len(sums) - 1) * (sums**2).sum()), len(sums)))
    return found


def _groups(clusters: Sequence[NDArray[np.generic]]) -> list[NDArray[np.intp]]:
    """Tasks, by index, that share ids, directly or by way of others."""
    names = [set(ids.tolist()) for ids in clusters]
    if len(set().union(*names)) == sum(map(len, names)):  # nothing is shared: no graph is needed
        return [np.array([task]) for task in range(len(names))]
    shared = np.array([[bool(mine & theirs) for theirs in names] for mine in names])
    num, labels = connected_components(shared, directed=False)
    return [np.flatnonzero(labels == group) for group in range(num)]
