"""SPA and StepM on clusters: nulls are rejected as rarely as stated, items of a cluster count once.

Best of k: equal to going through all subsets; the pick is on dev, the value on test; honest intervals.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from arch.bootstrap import SPA

from cocktail.analysis.stats.picking import expected_best, pick_weights, picked_value, snooping_test
from cocktail.errors import RecordError


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
def test_bad_input_is_refused(items: int, clusters: np.ndarray, words: str) -> None:
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
