"""Simulated studies: of each task 17 mixtures and a single, the best on dev trained afresh beside the single.

The rule assumes a t-distributed mean of additive parts. Here nothing is additive on the scale of scores: an
answer is right with probability sigmoid(ability - difficulty), and on the logit scale

    difficulty   of clusters and of items in them; clusters are of unequal size
    recipe       its own strong and weak clusters and items, the same for every seed
    run          heavy-tailed seed noise (Student's t, 3 degrees of freedom, and sums of such where runs have
                 something in common), strong and weak clusters, and now and then a collapse
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cocktail.errors import RecordError
from cocktail.studies.simulation.ability import (
    ACCURACY,
    CLUSTER,
    ITEM,
    RECIPE_CLUSTER,
    RECIPE_ITEM,
    RUN_CLUSTER,
    SEED_FREEDOM,
    ability_for,
    seed_scale,
)
from cocktail.studies.simulation.designs import DROP, Design

CANDIDATES = 17
SINGLE = CANDIDATES  # the last recipe
HIGHEST = 0.95  # mean score that a simulated mixture may have
CHUNK = 20  # studies that are drawn at once and share the sizes of their clusters

Scores = NDArray[np.float32]
Logits = NDArray[np.float64]


@dataclass(frozen=True)
class SimulatedStudy:
    """One study; outcomes are 0 or 1.

    Attributes:
        treatment, control: outcomes of each task's mixture and single, shape (tasks, seeds, items).
        explored: outcomes on test of all recipes at one seed, shape (tasks, 18, items); none where not asked.
        clusters: of each item, shape (tasks, items); no cluster is in two tasks.
        picked: place of each task's mixture, shape (tasks,).
    """

    treatment: Scores
    control: Scores
    explored: Scores
    clusters: NDArray[np.int64]
    picked: NDArray[np.int64]


def simulate(
    design: Design, *, num_studies: int, effect: float, rng: np.random.Generator, explored: bool = False
) -> Iterator[SimulatedStudy]:
    """Yield studies in which every mixture is truly better than its single by ``effect`` points.

    Args:
        explored: whether the explored runs answer the test, too.
    """
    done = 0
    while done < num_studies:
        num = min(CHUNK, num_studies - done)
        yield from _chunk(design, effect, num, rng, explored=explored)
        done += num


def _chunk(
    design: Design, effect: float, num: int, rng: np.random.Generator, *, explored: bool
) -> Iterator[SimulatedStudy]:
    abilities = _fresh(design, effect, num, rng)
    tasks = [
        _task(design, effect, abilities[:, :, task], rng, explored=explored) for task in range(design.tasks)
    ]
    first = np.cumsum([0, *(int(task.clusters.max()) + 1 for task in tasks)])
    clusters = np.stack([task.clusters + start for task, start in zip(tasks, first, strict=False)])
    for study in range(num):
        treatment, control = np.stack([task.confirmed[study] for task in tasks], axis=1)
        yield SimulatedStudy(
            treatment,
            control,
            np.stack([task.explored[study] for task in tasks]),
            clusters,
            np.array([task.picked[study] for task in tasks]),
        )


@dataclass(frozen=True)
class _Task:
    """One task of several studies; the first axis of all but the clusters is the study."""

    confirmed: Scores  # shape (studies, arms, seeds, items)
    explored: Scores
    picked: NDArray[np.int64]
    clusters: NDArray[np.int64]


def _task(design: Design, effect: float, fresh: Logits, rng: np.random.Generator, *, explored: bool) -> _Task:
    """Explore, pick on dev and confirm one task; ``fresh``: abilities, shape (studies, arms, seeds)."""
    num = len(fresh)
    noise = seed_scale(design.seed_sd) * rng.standard_t(SEED_FREEDOM, (num, CANDIDATES + 1))
    grid = noise + ability_for(_level(design, effect), design.seed_sd)
    grid[:, :SINGLE] = noise[:, :SINGLE] + _mixture(design, effect, (num, CANDIDATES), rng)
    picked = np.zeros(num, dtype=np.int64)
    if not design.one_mixture:
        dev = _Items.draw(_clusters(design.dev_items, design.mean_cluster, rng), num, CANDIDATES, rng)
        picked = dev.answers(grid[:, :SINGLE, None], rng).mean(axis=(2, 3)).argmax(axis=1)
    # Recipes that nobody looks at on test need no strong and weak items there.
    recipes = CANDIDATES + 1 if explored else 2
    test = _Items.draw(_clusters(design.items, design.mean_cluster, rng), num, recipes, rng)
    on_test = (
        test.answers(grid[..., None], rng)[:, :, 0]
        if explored
        else np.zeros((num, 0, design.items), np.float32)
    )
    places = np.stack([picked if explored else np.zeros_like(picked), np.full(num, recipes - 1)], axis=1)
    return _Task(test.only(places).answers(fresh, rng), on_test, picked, test.clusters)


def _fresh(design: Design, effect: float, num: int, rng: np.random.Generator) -> Logits:
    """Abilities of the confirmed runs, shape (studies, arms, tasks, seeds)."""
    shape = (num, design.tasks, design.seeds)
    both = rng.standard_t(SEED_FREEDOM, shape) * math.sqrt(design.correlation)
    run = rng.standard_t(SEED_FREEDOM, (num, 1, design.seeds)) * math.sqrt(design.over_tasks)
    own = [rng.standard_t(SEED_FREEDOM, shape) for _ in range(2)]
    treatment = both + run + own[0] * math.sqrt(max(0.0, 1 - design.correlation - design.over_tasks))
    control = both + own[1] * math.sqrt(1 - design.correlation)
    noise = seed_scale(design.seed_sd) * np.stack([treatment, control], axis=1)
    noise[:, 0] += _mixture(design, effect, shape, rng)
    noise[:, 1] += ability_for(_level(design, effect), design.seed_sd)
    return noise


def _level(design: Design, effect: float) -> float:
    """The single's mean score: ACCURACY, or lower where the mixture would come too near to 100 %."""
    level = min(ACCURACY, HIGHEST - effect / 100 - design.collapse * DROP / 100)
    if level < 1 - HIGHEST:
        raise RecordError(
            f"a study of {design.items} items and {design.seeds} seeds, seed SD {design.seed_sd:g} points, "
            f"would find a gain of {effect:.0f} points at best: there is no room for it",
            fix="a design with more items or seeds",
        )
    return level


def _mixture(design: Design, effect: float, shape: tuple[int, ...], rng: np.random.Generator) -> Logits:
    """Abilities of mixtures before seed noise: ``effect`` points above the single in the mean."""
    high = _level(design, effect) + effect / 100 + design.collapse * DROP / 100
    levels = [ability_for(high - lost, design.seed_sd) for lost in (0.0, DROP / 100)]
    return np.where(rng.random(shape) < design.collapse, levels[1], levels[0])


@dataclass(frozen=True)
class _Items:
    """Items of several studies: what every recipe brings to each, shape (studies, recipes, items)."""

    easiness: Scores
    clusters: NDArray[np.int64]

    @classmethod
    def draw(cls, clusters: NDArray[np.int64], num: int, recipes: int, rng: np.random.Generator) -> _Items:
        num_clusters, num_items = int(clusters.max()) + 1, len(clusters)
        shared = _normal(rng, CLUSTER, num, 1, num_clusters)[..., clusters]
        shared = shared + _normal(rng, ITEM, num, 1, num_items)
        own = _normal(rng, RECIPE_CLUSTER, num, recipes, num_clusters)[..., clusters]
        return cls(shared + own + _normal(rng, RECIPE_ITEM, num, recipes, num_items), clusters)

    def only(self, recipes: NDArray[np.int64]) -> _Items:
        """Return the same items with what some recipes bring, by place, shape (studies, recipes)."""
        return _Items(np.take_along_axis(self.easiness, recipes[..., None], axis=1), self.clusters)

    def answers(self, abilities: Logits, rng: np.random.Generator) -> Scores:
        """Runs of every recipe, abilities of shape (studies, recipes, runs): outcomes of one more axis."""
        run = _normal(rng, RUN_CLUSTER, *abilities.shape, int(self.clusters.max()) + 1)[..., self.clusters]
        logits = self.easiness[:, :, None] + run + abilities.astype(np.float32)[..., None]
        chances = 1 / (1 + np.exp(-logits))
        right: Scores = (rng.random(logits.shape, dtype=np.float32) < chances).astype(np.float32)
        return right


def _clusters(items: int, size: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Cluster ids of ``items`` items, clusters of ``size`` items in the mean."""
    return np.repeat(np.arange(items), rng.geometric(1 / size, items))[:items]


def _normal(rng: np.random.Generator, sd: float, *shape: int) -> Scores:
    return np.float32(sd) * rng.standard_normal(shape, dtype=np.float32)
