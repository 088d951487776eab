"""Best of k: equal to going through all subsets; the pick is on dev, the value on test; honest intervals."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from cocktail.analysis.stats.best_of import expected_best, pick_weights, picked_value
from cocktail.errors import RecordError


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
