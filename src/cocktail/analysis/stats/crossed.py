"""The difference of two training recipes when seeds and items are crossed.

Every seed retrains the model and every retrained model answers the same items, so a recipe's score varies
over seeds and over items at once. An item bootstrap of one model sees only the items and calls seed noise
an effect; a nested bootstrap treats each seed's answers as fresh items.

    SE^2 = s_d^2 / S    variance over the S seeds of the difference of mean scores, paired by seed
         + c^2          cluster-robust variance of the seed-averaged difference

with Satterthwaite degrees of freedom from the parts. Seeds are paired because both arms of a seed draw the
same rows of the target task. With one item a cluster and no seed variance this is the paired t-test over
items; without item variance it is the paired t-test over seeds. Both kinds of part hold the seed-by-item
noise, so the interval is rather too wide than too narrow (rates: reports/simulation/table.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from cocktail.analysis.stats.variances import Arm, Array, Part, cluster_parts, seed_part, seed_parts
from cocktail.errors import RecordError

MIN_SEEDS = 3  # with two, a seed variance has one degree of freedom: intervals of 12 standard errors


@dataclass(frozen=True)
class Effect:
    """A difference of mean outcomes with its interval.

    Attributes:
        estimate, low, high, se: in the unit of the outcomes (0/1 outcomes: shares, not points).
        df: Satterthwaite degrees of freedom.
        p: two-sided, of no difference.
        scope: "training" says something about the recipe; "these weights" (fewer than three seeds) only
            about the models at hand, on items like these: no verdict may stand on it.
        seed_share: part of SE^2 that comes from the seeds, 0..1.
    """

    estimate: float
    low: float
    high: float
    se: float
    df: float
    p: float
    n_items: int
    n_clusters: int
    n_seeds: int
    scope: Literal["training", "these weights"]
    seed_share: float

    def p_against(self, null: float) -> float:
        """Return the two-sided p of a true difference of ``null``, in the unit of the outcomes."""
        return _two_sided(self.estimate - null, self.se, self.df)


@dataclass(frozen=True)
class TaskOutcomes:
    """Both arms on one task.

    Attributes:
        treatment, control: outcomes of shape (seeds, items); row s of both arms is of the same seed.
        clusters: cluster id of each item.
        treatment_runs, control_runs: ids of the runs, one a row. An id that another task has, too, is one run
            that answers both tasks; without ids a task's runs are its own.
    """

    treatment: ArrayLike
    control: ArrayLike
    clusters: ArrayLike
    treatment_runs: Sequence[str] = ()
    control_runs: Sequence[str] = ()


def crossed_effect(
    treatment: ArrayLike, control: ArrayLike, clusters: ArrayLike, *, confidence: float = 0.95
) -> Effect:
    """Return mean(treatment) - mean(control) with the crossed interval.

    Args:
        treatment, control: outcomes, shape (seeds, items): the same seeds and items in the same order.
        clusters: cluster id of each item, shape (items,).

    Raises:
        RecordError: shapes do not fit, a value is missing, or there are fewer than two clusters.
    """
    return crossed_macro([TaskOutcomes(treatment, control, clusters)], confidence=confidence)


def crossed_macro(
    tasks: Sequence[TaskOutcomes], *, fixed: Sequence[Arm] = (), confidence: float = 0.95
) -> Effect:
    """Return the mean over tasks of mean(treatment) - mean(control), each task with the same weight.

    A task whose runs answer no other task adds the variance of its own seed-paired differences, with its own
    degrees of freedom. A run that answers several tasks is good or bad at all of them, and its partners are
    several runs: such runs are left unpaired, and add the variance of each seed's mean *over their tasks*.
    Clusters may be shared, too: two tasks ask about one filing page. Tasks that share clusters form a group,
    in which what a cluster adds to the mean is summed over its tasks; groups are independent:

        SE^2 = sum over tasks with own runs of s_d^2 / (T^2 * S)
             + sum over arms and sets of tasks that share runs of s_m^2 / (T^2 * S)
             + sum over groups of G / (G - 1) * (e_1^2 + ... + e_G^2)

    with s_d^2 the variance over seeds of the task's difference, s_m^2 that of the sum of an arm's mean scores
    over the tasks that share its runs, G the clusters of a group, and e_g the sum over cluster g's items of
    (difference - its task's mean) / (T * n_t). Of one task it is :func:`crossed_effect`.

    Args:
        fixed: arms that are one given model, no draw of training: they have one row, no seed part, and no
            seeds to pair.

    Raises:
        RecordError: as for one task; or arms that are paired, or a run's tasks, have not the same seeds.
    """
    sides: dict[Arm, list[Array]] = {
        "treatment": [_arm(task.treatment) for task in tasks],
        "control": [_arm(task.control) for task in tasks],
    }
    ids = [np.asarray(task.clusters) for task in tasks]
    _check_shapes(list(sides.values()), ids)
    retrained = {side: arms for side, arms in sides.items() if side not in fixed}
    num_seeds = min((len(arm) for arms in retrained.values() for arm in arms), default=1)
    runs = {"treatment": [task.treatment_runs for task in tasks]}
    runs["control"] = [task.control_runs for task in tasks]
    parts = seed_parts(retrained, runs) if num_seeds >= MIN_SEEDS else []
    values = [a.mean(axis=0) - b.mean(axis=0) for a, b in zip(*sides.values(), strict=True)]
    return effect_of_parts(values, ids, parts, num_seeds=num_seeds, confidence=confidence)


def crossed_mean(outcomes: ArrayLike, clusters: ArrayLike, *, confidence: float = 0.95) -> Effect:
    """Return the mean of one recipe's outcomes, shape (seeds, items), with the crossed interval."""
    arm, ids = _arm(outcomes), np.asarray(clusters)
    _check_shapes([[arm]], [ids])
    parts = [seed_part(arm.mean(axis=1), num_tasks=1)] if len(arm) >= MIN_SEEDS else []
    return effect_of_parts([arm.mean(axis=0)], [ids], parts, num_seeds=len(arm), confidence=confidence)


def _check_shapes(sides: Sequence[Sequence[Array]], ids: Sequence[NDArray[np.generic]]) -> None:
    if any(arm.shape[1:] != mine.shape for side in sides for arm, mine in zip(side, ids, strict=True)):
        shapes = ", ".join(str(arm.shape) for side in [*sides, ids] for arm in side)
        raise RecordError(f"outcomes and clusters are not of the same items: shapes {shapes}")


def effect_of_parts(
    values: Sequence[NDArray[np.float64]],
    clusters: Sequence[NDArray[np.generic]],
    parts: Sequence[Part],
    *,
    num_seeds: int,
    confidence: float,
) -> Effect:
    """Return the mean over tasks of the mean of ``values``, one difference an item, with its interval.

    Args:
        values, clusters: one array a task; equal cluster ids are one cluster, whatever the task.
        parts: variances of the mean from elsewhere than the items, each with its degrees of freedom.
    """
    found = cluster_parts(values, clusters)
    every = [*((part, num - 1) for part, num in found), *parts]
    variance = sum(part for part, _ in every)
    df = variance**2 / sum(part**2 / freedom for part, freedom in every) if variance > 0 else math.inf
    estimate, se = float(np.mean([mine.mean() for mine in values])), math.sqrt(variance)
    reach = float(stats.t.ppf((1 + confidence) / 2, df)) * se
    return Effect(
        estimate=estimate,
        low=estimate - reach,
        high=estimate + reach,
        se=se,
        df=df,
        p=_two_sided(estimate, se, df),
        n_items=sum(len(mine) for mine in values),
        n_clusters=sum(num for _, num in found),
        n_seeds=num_seeds,
        scope="training" if num_seeds >= MIN_SEEDS else "these weights",
        seed_share=1 - sum(part for part, _ in found) / variance if variance > 0 else 0.0,
    )


def _two_sided(distance: float, se: float, df: float) -> float:
    """p of a true distance of zero; without any variance it is exact: it is there, or it is not."""
    return 2 * float(stats.t.sf(abs(distance) / se, df)) if se > 0 else float(distance == 0)


def _arm(outcomes: ArrayLike) -> Array:
    arm = np.asarray(outcomes, dtype=np.float64)
    if arm.ndim != 2 or arm.size == 0 or not np.isfinite(arm).all():
        raise RecordError(f"outcomes must be finite numbers of shape (seeds, items), got shape {arm.shape}")
    return arm
