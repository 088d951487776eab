"""The crossed interval: equal to scipy and statsmodels where these have it, and honest in simulation."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from cocktail.analysis.stats.crossed import TaskOutcomes, crossed_effect, crossed_macro, crossed_mean
from cocktail.errors import RecordError


def outcomes(rng: np.random.Generator, *, seeds: int, items: int, seed_sd: float) -> np.ndarray:
    """0/1 answers: shared item difficulty is in ``chance``, each seed shifts all items."""
    chance = rng.beta(1.5, 1.5, items)
    return np.stack(
        [rng.random(items) < np.clip(chance + rng.normal(0, seed_sd), 0, 1) for _ in range(seeds)]
    )


def test_without_seed_variance_it_is_the_paired_t_test() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.random(80) < 0.7, rng.random(80) < 0.6
    effect = crossed_effect(np.tile(one, (3, 1)), np.tile(other, (3, 1)), np.arange(80))
    expected = stats.ttest_rel(one.astype(float), other.astype(float))
    interval = expected.confidence_interval(0.95)
    assert effect.p == pytest.approx(expected.pvalue)
    assert (effect.low, effect.high) == pytest.approx((interval.low, interval.high))
    assert effect.df == pytest.approx(79)
    assert effect.seed_share == 0


def test_clusters_are_those_of_statsmodels() -> None:
    rng = np.random.default_rng(2)
    clusters = rng.integers(0, 17, 120)
    difference = rng.normal(0.1, 1, 120) + rng.normal(0, 1, 17)[clusters]
    effect = crossed_effect(difference[None], np.zeros((1, 120)), clusters)
    model = sm.OLS(difference, np.ones(120)).fit(
        cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True
    )
    assert effect.se == pytest.approx(float(model.bse[0]))
    assert effect.p == pytest.approx(float(model.pvalues[0]))
    assert effect.n_clusters == len(set(clusters))


def test_without_item_variance_it_is_the_paired_t_test_over_seeds() -> None:
    one, other = np.array([0.1, 0.4, 0.3, 0.6]), np.array([0.2, 0.1, 0.5, 0.4])
    effect = crossed_effect(np.tile(one[:, None], (1, 6)), np.tile(other[:, None], (1, 6)), np.arange(6))
    expected = stats.ttest_rel(one, other)
    assert effect.p == pytest.approx(expected.pvalue)
    assert effect.df == pytest.approx(expected.df)
    assert effect.seed_share == pytest.approx(1)


def test_what_both_arms_of_a_seed_share_is_no_noise() -> None:
    rng = np.random.default_rng(13)
    shift, items = rng.normal(0, 0.1, (4, 1)), rng.random(50)
    ours, theirs = items + shift + 0.05, items + shift
    assert crossed_effect(ours, theirs, np.arange(50)).se == pytest.approx(0, abs=1e-12)
    shuffled = theirs[[1, 2, 3, 0]]  # partners that are not of one seed
    assert crossed_effect(ours, shuffled, np.arange(50)).se > 0.01


@pytest.mark.parametrize("seeds", [3, 5])
def test_a_null_with_seed_noise_is_rejected_about_as_often_as_stated(seeds: int) -> None:
    """Seed SD 3 points, 1,000 items: an item bootstrap rejects 22 to 23 % of such nulls."""
    rng = np.random.default_rng(3)
    rejected, item_only = 0, 0
    for _ in range(600):
        both = outcomes(rng, seeds=2 * seeds, items=1000, seed_sd=0.03)
        effect = crossed_effect(both[:seeds], both[seeds:], np.arange(1000))
        rejected += effect.p < 0.05
        item_only += crossed_effect(both[:1], both[seeds : seeds + 1], np.arange(1000)).p < 0.05
    assert rejected / 600 < 0.075
    assert item_only / 600 > 0.2


def test_two_seeds_speak_of_these_weights_only() -> None:
    rng = np.random.default_rng(4)
    both = outcomes(rng, seeds=6, items=50, seed_sd=0.1)
    two = crossed_effect(both[:2], both[3:], np.arange(50))
    assert (two.scope, two.n_seeds, two.seed_share) == ("these weights", 2, 0)
    assert crossed_effect(both[:3], both[3:], np.arange(50)).scope == "training"


def test_equal_arms_and_constant_differences() -> None:
    ones, zeros = np.ones((3, 10)), np.zeros((3, 10))
    assert (crossed_effect(ones, ones, np.arange(10)).p, crossed_effect(ones, zeros, np.arange(10)).p) == (
        1,
        0,
    )
    assert crossed_mean(ones, np.arange(10)).estimate == 1


@pytest.mark.parametrize(
    ("treatment", "clusters", "words"),
    [
        (np.ones((3, 4)), np.zeros(4), "two clusters"),
        (np.ones((3, 5)), np.arange(4), "same items"),
        (np.full((3, 4), np.nan), np.arange(4), "finite"),
        (np.ones(4), np.arange(4), "shape"),
        (np.ones((4, 4)), np.arange(4), "same seeds"),
    ],
)
def test_bad_input_is_refused(treatment: np.ndarray, clusters: np.ndarray, words: str) -> None:
    with pytest.raises(RecordError, match=words):
        crossed_effect(treatment, np.zeros((3, 4)), clusters)


def test_a_cluster_that_two_tasks_share_counts_once() -> None:
    """The same questions under two names tell nothing new; one seed: there is no other part."""
    rng = np.random.default_rng(5)
    ours, theirs = (rng.random((1, 40)).round() for _ in range(2))
    ids = np.arange(40) // 2
    task = TaskOutcomes(ours, theirs, ids)
    once, twice = crossed_macro([task]), crossed_macro([task, task])
    assert (twice.n_clusters, twice.se) == (20, pytest.approx(once.se))
    apart = crossed_macro([task, TaskOutcomes(ours, theirs, ids + 20)])
    assert apart.n_clusters == 40
    assert apart.se < 0.9 * once.se
