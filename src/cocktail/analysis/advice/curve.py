"""The advice curve: how good is the advice once k runs are explored, and is it worth to choose the runs?

The model is that of ``advice.following``. It starts with the untuned base; of each further run it sees the
score on the split that advice is fitted on, and after each it advises the mixture with the target that it
predicts to be best, measured or not. Where it cannot tell mixtures apart it leaves no source out, so with
k = 0 it advises all. Runs come in the order of ``cocktail advise --next``, each picked once the ones before
it are known, or in random order.

Test scores are looked at once all is advised: regret is the best mixture's test score minus the advised
one's. That best is the highest of many noisy scores, so even a perfect choice seems to fall short of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cocktail.analysis.advice.following import Array, design, next_runs, posterior, score_noise, spreads_of
from cocktail.analysis.advice.gain import Sources
from cocktail.analysis.advice.heldout import always_single
from cocktail.analysis.advice.scores import TargetScores, grid_of

ORDERS = 200  # random orders: their mean is known to a fourteenth of their spread
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Curve:
    """Regrets in points, of k = 0, 1, ... explored runs.

    Attributes:
        order: the runs as they were picked; advised: what is advised after each number of them.
        picked: regret of the advice after k of these.
        random: the same after k runs in random order, shape (orders, k).
        always_all, always_single: of the rules that need no run.
        best_fitted: of the mixture with the best score on the fitted split, all runs known.
    """

    order: tuple[Sources, ...]
    advised: tuple[Sources, ...]
    picked: Array
    random: Array
    always_all: float
    always_single: float
    best_fitted: float


def random_orders(tasks: Sequence[str], rng: np.random.Generator, *, count: int = ORDERS) -> Places:
    """Return orders of the grid's runs, as places in the grid behind its base; shape (orders, runs)."""
    places = np.arange(1, len(grid_of(tasks)))
    return rng.permuted(np.tile(places, (count, 1)), axis=1)


def advice_curve(found: TargetScores, tasks: Sequence[str], *, target: str, orders: Places) -> Curve:
    """Return the curve of one target; its base, all, and what "always single" trains must have scores.

    Args:
        orders: of the whole grid (:func:`random_orders`); runs without a score are passed over.
    """
    grid = list(grid_of(tasks).values())
    known = np.array([one in found.fitted for one in grid])
    rated = [place for place, one in enumerate(grid) if one and (target in one or target not in tasks)]
    rated = [place for place in rated if known[place] and grid[place] in found.test]
    order = _picked_order(found, tasks, [one for one in grid if one in found.fitted], target)
    shown = orders[known[orders]].reshape(len(orders), -1)
    world = design(grid, tasks, target), np.array([found.fitted.get(one, np.nan) for one in grid])
    mine = np.array([[grid.index(one) for one in order]], dtype=np.int64)
    advised, drawn = (
        _advised(walk, *world, np.array(rated), spreads=spreads_of(tasks, target), items=found.items)
        for walk in (mine, shown)
    )
    best = max(found.test[grid[place]] for place in rated)
    regret = np.array([best - found.test.get(one, np.nan) for one in grid])
    single = always_single(found.fitted, tasks, target=target)
    return Curve(
        order=tuple(order),
        advised=tuple(grid[place] for place in advised[0]),
        picked=regret[advised[0]],
        random=regret[drawn],
        always_all=float(regret[grid.index(tuple(tasks))]),
        always_single=float(regret[grid.index(single)]),
        best_fitted=float(regret[max(rated, key=lambda place: world[1][place])]),
    )


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """Return the mean over targets that were asked of the same runs; of each random order by itself."""
    picked, random = [one.picked for one in curves], [one.random for one in curves]
    rules = [(one.always_all, one.always_single, one.best_fitted) for one in curves]
    means = [float(mean) for mean in np.mean(rules, axis=0)]
    return Curve((), (), np.mean(picked, axis=0), np.mean(random, axis=0), *means)


def _picked_order(
    found: TargetScores, tasks: Sequence[str], grid: Sequence[Sources], target: str
) -> list[Sources]:
    """The runs as ``--next`` picks them, one at a time, each score seen before the next is picked."""
    measured: dict[Sources, float] = {(): found.fitted[()]}
    while len(measured) < len(grid):
        noise = float(score_noise(np.array(list(measured.values())), found.items))
        ((one, _),) = next_runs(measured, tasks, grid, target=target, noise=noise, count=1)
        measured[one] = found.fitted[one]
    return list(measured)[1:]


def _advised(
    walks: Places, rows: Array, scores: Array, rated: Places, *, spreads: Array, items: int
) -> Places:
    """The advised place of the grid after k = 0, 1, ... runs of each walk; shape (walks, k)."""
    told = []
    seen = np.insert(walks, 0, 0, axis=1)  # the base comes first
    for k in range(1, seen.shape[1] + 1):
        known = seen[:, :k]
        mean, _ = posterior(rows[known], scores[known], score_noise(scores[known], items), spreads)
        predicted = np.round(mean @ rows[rated].T, 6)  # ties are ties on any CPU
        told.append(rated[::-1][predicted[:, ::-1].argmax(axis=1)])  # of equal ones the last: most sources
    return np.stack(told, axis=1)
