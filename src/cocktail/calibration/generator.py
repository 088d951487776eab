"""Simulated studies: 17 mixtures and a single, explored once, the mixture picked on dev, both trained afresh.

The rule assumes a t-distributed mean of additive parts. Here nothing is additive on the scale of scores: an
answer is right with probability sigmoid(ability - difficulty), and on the logit scale

    difficulty   of clusters and of items in them; clusters are of unequal size
    recipe       its own strong and weak clusters and items, the same for every seed
    run          heavy-tailed seed noise (Student's t, 3 degrees of freedom), and strong and weak clusters

Ability has no closed relation to the mean score; :func:`ability_for` inverts it numerically.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

CANDIDATES = 17
SINGLE = CANDIDATES  # the last recipe
ACCURACY = 0.65  # mean score of the single, and of every mixture where there is no difference
ITEM, CLUSTER = 1.0, 0.7  # standard deviations on the logit scale
RECIPE_ITEM, RECIPE_CLUSTER, RUN_CLUSTER = 0.5, 0.3, 0.4
SEED_FREEDOM = 3
MEAN_CLUSTER = 2.0  # items; sizes are geometric
CHUNK = 20  # studies that are drawn at once and share the sizes of their clusters

Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Design:
    """The size of a study.

    Attributes:
        items: test items of each task.
        seeds: fresh seeds of each arm.
        seed_sd: of a run's mean score over seeds, in points (to first order).
        tasks: answered by the same runs.
        mean_cluster: items of a cluster; sizes are geometric.
        dev_items: on which the mixture is picked; 0: half as many as ``items``.
    """

    items: int
    seeds: int
    seed_sd: float
    tasks: int = 1
    mean_cluster: float = MEAN_CLUSTER
    dev_items: int = 0


@dataclass(frozen=True)
class SimulatedStudy:
    """One study; outcomes are 0 or 1.

    Attributes:
        treatment, control: outcomes of the picked mixture and of the single, shape (seeds, tasks * items).
        explored: outcomes of all mixtures and the single on test at one seed, shape (18, tasks * items).
        clusters: of each item; no cluster is in two tasks.
        picked: place of the mixture that was best on dev.
    """

    treatment: Scores
    control: Scores
    explored: Scores
    clusters: NDArray[np.int64]
    picked: int


def simulate(
    design: Design, *, num_studies: int, effect: float, rng: np.random.Generator
) -> Iterator[SimulatedStudy]:
    """Yield studies in which every mixture is truly better than the single by ``effect`` points."""
    single = ability_for(ACCURACY, design.seed_sd)
    better = ability_for(ACCURACY + effect / 100, design.seed_sd)
    abilities = np.full(CANDIDATES + 1, better)
    abilities[SINGLE] = single
    done = 0
    while done < num_studies:
        chunk = min(CHUNK, num_studies - done)
        yield from _chunk(design, abilities, chunk, rng)
        done += chunk


def _chunk(
    design: Design, abilities: NDArray[np.float64], num: int, rng: np.random.Generator
) -> Iterator[SimulatedStudy]:
    test = _Items.draw(_clusters(design.items, design.tasks, design.mean_cluster, rng), num, rng)
    dev_items = design.dev_items or design.items // 2
    dev = _Items.draw(_clusters(dev_items, 1, design.mean_cluster, rng), num, rng)
    noise = _seed_scale(design.seed_sd)
    explored_ability = abilities + noise * rng.standard_t(SEED_FREEDOM, (num, CANDIDATES + 1))
    on_dev = dev.answers(explored_ability, rng)
    explored = test.answers(explored_ability, rng)
    picked = on_dev[:, :CANDIDATES].mean(axis=2).argmax(axis=1)
    recipes = np.stack([picked, np.full(num, SINGLE)], axis=1)
    fresh = abilities[recipes][..., None] + noise * rng.standard_t(SEED_FREEDOM, (num, 2, design.seeds))
    confirmed = test.answers_of(recipes, fresh, rng)
    for study in range(num):
        treatment, control = confirmed[study]
        yield SimulatedStudy(treatment, control, explored[study], test.clusters, int(picked[study]))


@dataclass(frozen=True)
class _Items:
    """Items of several studies: what every recipe brings to each, shape (studies, recipes, items)."""

    easiness: Scores
    clusters: NDArray[np.int64]

    @classmethod
    def draw(cls, clusters: NDArray[np.int64], num: int, rng: np.random.Generator) -> _Items:
        num_clusters, num_items, recipes = int(clusters.max()) + 1, len(clusters), CANDIDATES + 1
        shared = _normal(rng, CLUSTER, num, 1, num_clusters)[..., clusters]
        shared = shared + _normal(rng, ITEM, num, 1, num_items)
        own = _normal(rng, RECIPE_CLUSTER, num, recipes, num_clusters)[..., clusters]
        return cls(shared + own + _normal(rng, RECIPE_ITEM, num, recipes, num_items), clusters)

    def answers(self, ability: NDArray[np.float64], rng: np.random.Generator) -> Scores:
        """One run of every recipe: outcomes of shape (studies, recipes, items)."""
        return _right(self.easiness + self._run(rng, *ability.shape) + _single(ability)[..., None], rng)

    def answers_of(
        self, recipes: NDArray[np.int64], ability: NDArray[np.float64], rng: np.random.Generator
    ) -> Scores:
        """Several runs of some recipes: outcomes of shape (studies, recipes, seeds, items)."""
        easiness = np.take_along_axis(self.easiness, recipes[..., None], axis=1)[:, :, None]
        return _right(easiness + self._run(rng, *ability.shape) + _single(ability)[..., None], rng)

    def _run(self, rng: np.random.Generator, *runs: int) -> Scores:
        return _normal(rng, RUN_CLUSTER, *runs, int(self.clusters.max()) + 1)[..., self.clusters]


def _clusters(items: int, tasks: int, size: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Cluster ids of ``tasks`` times ``items`` items, clusters of ``size`` items in the mean."""
    parts, first = [], 0
    for _ in range(tasks):
        ids = np.repeat(np.arange(items), rng.geometric(1 / size, items))[:items]
        parts.append(ids + first)
        first += int(ids.max()) + 1
    return np.concatenate(parts)


@cache
def ability_for(accuracy: float, seed_sd: float) -> float:
    """Return the ability whose mean score over items and seeds is ``accuracy`` (0..1)."""
    return float(optimize.brentq(lambda ability: _mean_score(ability, seed_sd) - accuracy, -8, 8))


@cache
def _seed_scale(seed_sd: float) -> float:
    """The scale of the t noise on the logit scale that moves mean scores by ``seed_sd`` points."""
    ability = ability_for(ACCURACY, 0.0)
    slope = (_mean_score(ability + 0.01, 0.0) - _mean_score(ability - 0.01, 0.0)) / 0.02
    return seed_sd / 100 / slope / math.sqrt(SEED_FREEDOM / (SEED_FREEDOM - 2))


def _mean_score(ability: float, seed_sd: float) -> float:
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    spread = math.sqrt(ITEM**2 + CLUSTER**2 + RECIPE_ITEM**2 + RECIPE_CLUSTER**2 + RUN_CLUSTER**2)
    seeds = np.zeros(1)
    if seed_sd:
        seeds = _seed_scale(seed_sd) * stats.t.ppf((np.arange(999) + 0.5) / 999, SEED_FREEDOM)
    chances = 1 / (1 + np.exp(-(ability + seeds[:, None] + spread * nodes)))
    return float((chances @ weights).mean() / weights.sum())


def _normal(rng: np.random.Generator, sd: float, *shape: int) -> Scores:
    return np.float32(sd) * rng.standard_normal(shape, dtype=np.float32)


def _single(ability: NDArray[np.float64]) -> Scores:
    return ability.astype(np.float32)


def _right(logits: Scores, rng: np.random.Generator) -> Scores:
    chances = 1 / (1 + np.exp(-logits))
    return (rng.random(logits.shape, dtype=np.float32) < chances).astype(np.float32)
