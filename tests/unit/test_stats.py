"""The crossed interval: equal to scipy and statsmodels where these have it, and honest in simulation.

SPA and StepM on clusters: nulls are rejected as rarely as stated, items of a cluster count once.
Best of k: equal to going through all subsets; the pick is on dev, the value on test; honest intervals.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import statsmodels.api as sm
from arch.bootstrap import SPA
from scipy import stats

from cocktail.analysis.stats.crossed import TaskOutcomes, crossed_effect, crossed_macro, crossed_mean
from cocktail.analysis.stats.snooping import expected_best, pick_weights, picked_value, snooping_test
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
def test_bad_input_of_an_interval_is_refused(treatment: np.ndarray, clusters: np.ndarray, words: str) -> None:
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


def answers(rng: np.random.Generator, chances: list[float], items: int) -> np.ndarray:
    """0/1 outcomes, shape (models, items), of models that share the items' difficulty."""
    difficulty = rng.normal(0, 0.2, items)
    return (rng.random((len(chances), items)) < np.array(chances)[:, None] + difficulty).astype(float)


@pytest.mark.slow
def test_the_best_of_equals_is_rarely_called_better() -> None:
    rng = np.random.default_rng(1)
    found, naive = 0, 0
    for seed in range(120):
        both = answers(rng, [0.6] * 18, 100)
        found += snooping_test(both[0], both[1:], np.arange(100), seed=seed, reps=200).p < 0.05
        best = both[1:][both[1:].mean(axis=1).argmax()] - both[0]
        naive += best.mean() > 1.645 * best.std(ddof=1) / 10
    assert found / 120 < 0.1
    assert naive / 120 > 0.2  # what a test of the picked mixture alone would have claimed


def test_the_better_ones_are_named_and_the_worse_are_not() -> None:
    both = answers(np.random.default_rng(2), [0.5, 0.85, 0.5, 0.3, 0.8], 300)
    result = snooping_test(both[0], both[1:], np.arange(300), seed=1)
    assert result.p < 0.01
    assert result.better == (0, 3)


def test_all_better_one_after_another() -> None:
    """Of 60 draws some make StepM take the strong one first and then the weak one (arch 8.0 fails there)."""
    found = []
    for seed in range(60):
        both = answers(np.random.default_rng(seed), [0.5, 0.9, 0.56], 300)
        found.append(snooping_test(both[0], both[1:], np.arange(300), seed=1, reps=100).better)
    assert {(0,), (0, 1)} == set(found)


def test_the_p_value_is_that_of_spa() -> None:
    both = answers(np.random.default_rng(5), [0.5, 0.55, 0.57], 200)
    spa = SPA(-both[0], -both[1:].T, block_size=1, reps=500, bootstrap="circular", seed=1)
    spa.compute()
    result = snooping_test(both[0], both[1:], np.arange(200), seed=1, reps=500)
    assert result.p == pytest.approx((spa.pvalues["consistent"] * 500 + 1) / 501)
    assert 0.01 < result.p < 0.3


def test_items_of_a_cluster_count_once() -> None:
    both = answers(np.random.default_rng(4), [0.5, 0.58, 0.5], 80)
    once = snooping_test(both[0], both[1:], np.arange(80), seed=1)
    copied = snooping_test(
        *(np.repeat(part, 6, axis=-1) for part in (both[0], both[1:], np.arange(80))), seed=1
    )
    assert copied == once


def test_clusters_of_unequal_size_weigh_as_their_items() -> None:
    """Better on 20 small clusters, worse on one large: over all items it is worse."""
    clusters = np.concatenate([np.arange(20), np.full(60, 20)])
    base, other = (clusters == 20).astype(float), (clusters < 20).astype(float)
    assert snooping_test(base, other[None], clusters, seed=1).p == 1
    assert snooping_test(base[:21], other[None, :21], clusters[:21], seed=1).p < 0.01


def test_copies_of_the_benchmark_and_worse_models_are_not_better() -> None:
    ones, zeros = np.ones(20), np.zeros(20)
    for candidates in ([ones, ones], [zeros], [ones, zeros]):
        result = snooping_test(ones, np.stack(candidates), np.arange(20), seed=1)
        assert (result.p, result.better) == (1, ())


@pytest.mark.parametrize(
    ("items", "clusters", "words"),
    [(20, np.arange(20) // 3, "10 clusters"), (19, np.arange(20), "same items")],
)
def test_bad_input_of_a_snooping_test_is_refused(items: int, clusters: np.ndarray, words: str) -> None:
    with pytest.raises(RecordError, match=words):
        snooping_test(np.ones(20), np.zeros((2, items)), clusters, seed=1)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_it_is_the_mean_over_all_subsets(k: int) -> None:
    scores = [0.3, 0.9, 0.5, 0.5, 0.1]  # with a tie
    subsets = [max(subset) for subset in combinations(scores, k)]
    assert expected_best(scores, k) == pytest.approx(np.mean(subsets))


def test_one_try_is_the_mean_and_all_tries_are_the_maximum() -> None:
    scores = np.random.default_rng(1).random(9)
    assert expected_best(scores, 1) == pytest.approx(scores.mean())
    assert expected_best(scores, 9) == pytest.approx(scores.max())
    steps = np.diff([expected_best(scores, k) for k in range(1, 10)])
    assert (steps > 0).all() and (np.diff(steps) < 0).all()  # each further try helps, and helps less


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_pick_is_on_dev_and_the_value_on_test(k: int) -> None:
    dev, test = np.array([0.2, 0.8, 0.8, 0.4]), np.array([[0.9], [0.1], [0.5], [0.6]])
    values = []
    for subset in combinations(range(4), k):
        best = max(dev[list(subset)])
        values.append(np.mean([test[i, 0] for i in subset if dev[i] == best]))  # equals: at random
    assert picked_value(dev, test, k) == pytest.approx(np.mean(values))
    assert pick_weights(dev, k).sum() == pytest.approx(1)


def test_picking_on_test_would_promise_more() -> None:
    """Equal tries, and a dev score that knows nothing of test: a pick is then worth no more than any try."""
    rng = np.random.default_rng(2)
    draws = [(rng.random(17), (rng.random((17, 100)) < 0.6).astype(float)) for _ in range(100)]
    assert np.mean([picked_value(dev, test, 10) for dev, test in draws]) == pytest.approx(0.6, abs=0.01)
    assert np.mean([expected_best(test.mean(axis=1), 10) for _, test in draws]) > 0.66


@pytest.mark.parametrize("k", [0, 4])
def test_more_tries_than_there_are_is_an_error(k: int) -> None:
    with pytest.raises(RecordError, match=f"best of {k} tries cannot be had from 3"):
        expected_best([0.1, 0.2, 0.3], k)
