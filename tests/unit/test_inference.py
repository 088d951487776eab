"""Multiplicity, power, p against a margin, macro mean: equal to statsmodels and scipy where these do it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import ttost_paired

from cocktail.analysis.stats.crossed import Effect, TaskOutcomes, crossed_effect, crossed_macro
from cocktail.analysis.stats.error_control import (
    LIMIT,
    benjamini_hochberg,
    holm,
    smallest_detectable,
    upper_se,
)
from cocktail.errors import RecordError

Array = NDArray[np.float64]


@pytest.mark.slow
def test_holm_and_benjamini_hochberg_by_hand() -> None:
    # Holm: 3 x 0.01; then max(2 x 0.02, 0.03); then max(1 x 0.04, 0.04).
    assert holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    # BH from the largest down: 0.04 x 3/3, min(0.02 x 3/2, 0.04), min(0.01 x 3/1, 0.03).
    assert benjamini_hochberg([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.03])
    assert holm([]) == benjamini_hochberg([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    for wrong in (float("nan"), -0.1, 1.1):
        with pytest.raises(RecordError, match="no p-value"):
            holm([0.5, wrong])


def paired(rng: np.random.Generator, *, items: int = 40, shift: float = 0.1) -> tuple[Array, Array]:
    one = rng.normal(0, 1, items)
    return one + rng.normal(shift, 1, items), one


def item_effect(one: Array, other: Array) -> Effect:
    """One seed an arm, items on their own: a paired t-test."""
    return crossed_effect(one[None], other[None], np.arange(len(one)))


def test_p_against_a_margin_is_that_of_statsmodels() -> None:
    for seed, margin in ((1, 0.05), (1, 0.3), (2, 0.5), (3, 1.0)):
        one, other = paired(np.random.default_rng(seed))
        effect = item_effect(one, other)
        _, (_, p_loss, _), (_, p_gain, _) = ttost_paired(one, other, -margin, margin)
        found = (effect.p_against(-margin), effect.p_against(margin), effect.p_against(0.0))
        both_sides = [2 * min(one_sided, 1 - one_sided) for one_sided in (p_loss, p_gain)]
        assert found == pytest.approx((*both_sides, effect.p))


def test_p_of_exact_differences_against_a_margin() -> None:
    ones = np.ones(10)
    assert item_effect(ones, ones).p_against(0.02) == 0
    assert item_effect(ones, 0 * ones).p_against(0.98) == 0
    assert item_effect(ones, 0 * ones).p_against(1.0) == 1  # on the margin is not within


@pytest.mark.parametrize(("items", "alpha", "power"), [(12, 0.05, 0.8), (40, 0.05, 0.8), (40, 0.01, 0.9)])
def test_the_detectable_effect_is_that_of_statsmodels(items: int, alpha: float, power: float) -> None:
    effect = item_effect(*paired(np.random.default_rng(4), items=items))
    sd = effect.se * np.sqrt(items)
    expected = sd * TTestPower().solve_power(nobs=items, alpha=alpha, power=power)
    cautious = expected * upper_se(effect) / effect.se
    assert smallest_detectable(effect, alpha=alpha, power=power) == pytest.approx(cautious, rel=1e-5)


def test_the_true_standard_error_is_seldom_above_its_limit() -> None:
    rng, items = np.random.default_rng(16), 8
    limits = [upper_se(item_effect(rng.normal(0, 1, items), np.zeros(items))) for _ in range(2000)]
    assert np.mean(np.array(limits) > 1 / np.sqrt(items)) == pytest.approx(LIMIT, abs=0.03)


def test_the_limit_is_the_standard_error_where_that_is_known() -> None:
    effect = item_effect(*paired(np.random.default_rng(4), items=12))
    assert upper_se(replace(effect, df=np.inf)) == effect.se
    assert effect.se < upper_se(replace(effect, df=1e6)) < 1.001 * effect.se
    assert upper_se(replace(effect, df=2.0)) > 2 * effect.se


def test_the_detectable_effect_of_no_variance_and_of_nonsense() -> None:
    exact = item_effect(np.ones(10), np.ones(10))
    assert smallest_detectable(exact, alpha=0.05) == 0
    for alpha, power in ((0.0, 0.8), (0.05, 1.0), (0.5, 0.4)):
        with pytest.raises(RecordError, match="must obey"):
            smallest_detectable(exact, alpha=alpha, power=power)


def test_an_effect_of_the_detectable_size_is_found_as_often_as_asked() -> None:
    """Four seeds an arm with known variances, 60 clusters: power of the t-test with the design's own SE."""
    rng, seeds, clusters, seed_sd = np.random.default_rng(5), 4, 60, 0.03

    def study(shift: float) -> Effect:
        items = np.repeat(rng.normal(0, 0.1, clusters), 3)  # what the recipes' difference is on each cluster
        control = rng.normal(0, seed_sd, (seeds, 1)) + np.zeros(3 * clusters)
        treatment = rng.normal(shift, seed_sd, (seeds, 1)) + items
        return crossed_effect(treatment, control, np.arange(3 * clusters) // 3)

    nulls = [study(0.0) for _ in range(300)]
    typical = replace(
        nulls[0],
        se=float(np.sqrt(np.mean([one.se**2 for one in nulls]))),
        df=float(np.median([one.df for one in nulls])),
    )
    known = typical.se / upper_se(typical)  # here the SE is that of 300 studies, no estimate of one
    detectable = known * smallest_detectable(typical, alpha=0.05)
    found = np.mean([study(detectable).p < 0.05 for _ in range(600)])
    assert 0.74 < found < 0.86  # 0.8, three standard errors of 600 draws and the spread of the df


def runs(seeds: int) -> tuple[list[str], list[str]]:
    """Ids of the runs of both arms."""
    return [f"all-s{seed}" for seed in range(seeds)], [f"without-s{seed}" for seed in range(seeds)]


def tasks_of(
    rng: np.random.Generator, *, seeds: int, items: tuple[int, ...], seed_sd: float
) -> list[TaskOutcomes]:
    """0/1 answers to several tasks by the same runs; a seed shifts all tasks of its arm alike."""
    shifts = rng.normal(0, seed_sd, (2, seeds, 1))
    found = []
    for size in items:
        chance = rng.beta(1.5, 1.5, size)
        arms = [(rng.random((seeds, size)) < np.clip(chance + shift, 0, 1)).astype(float) for shift in shifts]
        ids = 1000 * len(found) + np.arange(size) // 2  # no task shares a cluster with another
        found.append(TaskOutcomes(arms[0], arms[1], ids, *runs(seeds)))
    return found


def test_the_macro_mean_of_one_task_is_its_effect() -> None:
    (task,) = tasks_of(np.random.default_rng(6), seeds=3, items=(60,), seed_sd=0.05)
    assert crossed_macro([task]) == crossed_effect(task.treatment, task.control, task.clusters)


def test_the_macro_mean_weighs_tasks_not_items() -> None:
    tasks = tasks_of(np.random.default_rng(7), seeds=3, items=(20, 200, 60), seed_sd=0.05)
    macro = crossed_macro(tasks)
    alone = [crossed_effect(task.treatment, task.control, task.clusters) for task in tasks]
    assert macro.estimate == pytest.approx(np.mean([one.estimate for one in alone]))
    assert (macro.n_items, macro.n_clusters, macro.n_seeds) == (280, 140, 3)


def test_without_seed_variance_the_macro_mean_is_that_of_independent_t_tests() -> None:
    rng = np.random.default_rng(8)
    pairs = [paired(rng, items=size) for size in (20, 50)]
    macro = crossed_macro(
        [
            TaskOutcomes(np.tile(a, (3, 1)), np.tile(b, (3, 1)), len(a) * 10 + np.arange(len(a)))
            for a, b in pairs
        ]
    )
    errors = [stats.sem(a - b) for a, b in pairs]
    assert macro.se == pytest.approx(np.hypot(*errors) / 2)
    # Welch's degrees of freedom are those of two independent means.
    (one, other), (third, fourth) = pairs
    assert macro.df == pytest.approx(stats.ttest_ind(one - other, third - fourth, equal_var=False).df)


def constant(one: np.ndarray, other: np.ndarray, **more: list[str]) -> TaskOutcomes:
    """Both arms give the same score to each of five items: one number a seed."""
    return TaskOutcomes(np.tile(one[:, None], (1, 5)), np.tile(other[:, None], (1, 5)), np.arange(5), **more)


def test_runs_that_answer_all_tasks_are_compared_by_welch_on_their_means() -> None:
    one, other = np.random.default_rng(9).normal(0, 1, (2, 4, 2))  # arms x seeds x tasks
    ours, theirs = runs(4)
    macro = crossed_macro(
        [constant(one[:, t], other[:, t], treatment_runs=ours, control_runs=theirs) for t in range(2)]
    )
    expected = stats.ttest_ind(one.mean(axis=1), other.mean(axis=1), equal_var=False)
    assert (macro.p, macro.df) == pytest.approx((expected.pvalue, expected.df))


def test_runs_of_one_task_are_paired_and_each_task_has_its_own_degrees_of_freedom() -> None:
    one, other = np.random.default_rng(14).normal(0, 1, (2, 4, 2))
    macro = crossed_macro([constant(one[:, t], other[:, t]) for t in range(2)])
    first, second = (one - other).T
    assert macro.se == pytest.approx(np.hypot(stats.sem(first), stats.sem(second)) / 2)
    assert macro.df == pytest.approx(stats.ttest_ind(first, second, equal_var=False).df)


def test_a_run_of_several_tasks_against_runs_of_one_is_not_paired() -> None:
    """As "all" against each task's single: the singles' parts are each their own."""
    one, other = np.random.default_rng(15).normal(0, 1, (2, 4, 2))
    ours, _ = runs(4)
    macro = crossed_macro([constant(one[:, t], other[:, t], treatment_runs=ours) for t in range(2)])
    parts = [stats.sem(one.mean(axis=1)), *(stats.sem(other[:, t]) / 2 for t in range(2))]
    assert macro.se == pytest.approx(np.linalg.norm(parts))
    assert macro.df == pytest.approx(macro.se**4 / sum(part**4 / 3 for part in parts))


@pytest.mark.slow
def test_a_macro_null_with_shared_seeds_is_rejected_about_as_often_as_stated() -> None:
    """Seven tasks, seed SD 3 points shared by all; adding each task's seed part / T^2 would reject more."""
    rng, rejected, naive = np.random.default_rng(10), 0, 0
    for _ in range(400):
        tasks = tasks_of(rng, seeds=3, items=(100, 150, 200, 250, 100, 150, 200), seed_sd=0.03)
        macro = crossed_macro(tasks)
        rejected += macro.p < 0.05
        alone = [crossed_effect(task.treatment, task.control, task.clusters).se for task in tasks]
        naive += 2 * stats.norm.sf(abs(macro.estimate) / (np.linalg.norm(alone) / len(alone))) < 0.05
    assert rejected / 400 < 0.08  # nominal 0.05, binomial standard error 0.011
    assert naive / 400 > 0.15


def test_a_fixed_arm_has_no_seed_part_and_needs_no_seeds() -> None:
    (task,) = tasks_of(np.random.default_rng(11), seeds=3, items=(60,), seed_sd=0.1)
    base = replace(task, control=np.asarray(task.control)[:1])
    effect = crossed_macro([base], fixed=["control"])
    assert (effect.scope, effect.n_seeds) == ("training", 3)
    seed_part = np.asarray(task.treatment).mean(axis=1).var(ddof=1) / 3
    assert effect.seed_share * effect.se**2 == pytest.approx(seed_part)
    assert crossed_macro([base]).scope == "these weights"
    assert crossed_macro([base], fixed=["treatment", "control"]).scope == "these weights"


def test_seeds_that_differ_between_tasks_are_refused() -> None:
    tasks = tasks_of(np.random.default_rng(12), seeds=4, items=(20, 20), seed_sd=0.1)
    fewer = replace(tasks[1], treatment=np.asarray(tasks[1].treatment)[:3])
    with pytest.raises(RecordError, match="same number of seeds"):
        crossed_macro([tasks[0], fewer])
