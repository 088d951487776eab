"""Best of k: equal to going through all subsets; the pick is on dev, the value on test; honest intervals."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from cocktail.errors import RecordError
from cocktail.stats.best_of import Tries, best_of_effect, expected_best, pick_weights, picked_value


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
    assert picked_value(Tries(dev, test), k) == pytest.approx(np.mean(values))
    assert pick_weights(dev, k).sum() == pytest.approx(1)


def test_picking_on_test_would_promise_more() -> None:
    """Equal tries, and a dev score that knows nothing of test: a pick is then worth no more than any try."""
    rng = np.random.default_rng(2)
    draws = [Tries(rng.random(17), (rng.random((17, 100)) < 0.6).astype(float)) for _ in range(100)]
    assert np.mean([picked_value(one, 10) for one in draws]) == pytest.approx(0.6, abs=0.01)
    assert np.mean([expected_best(one.test.mean(axis=1), 10) for one in draws]) > 0.66


@pytest.mark.parametrize("k", [0, 4])
def test_more_tries_than_there_are_is_an_error(k: int) -> None:
    with pytest.raises(RecordError, match=f"best of {k} tries cannot be had from 3"):
        expected_best([0.1, 0.2, 0.3], k)


def tries(rng: np.random.Generator, num: int, difficulty: np.ndarray, *, gain: float = 0.0) -> Tries:
    """Tries of true quality 0.6 + gain, SD 3 points, that share the difficulty of the test items."""
    quality = 0.6 + gain + rng.normal(0, 0.03, num)
    test = rng.random((num, len(difficulty))) < np.clip(quality[:, None] + difficulty, 0, 1)
    return Tries(rng.binomial(60, np.clip(quality, 0, 1)) / 60, test.astype(float))


@pytest.mark.parametrize(("num_controls", "k"), [(4, 3), (4, 2), (10, 5)])
def test_a_null_is_called_a_gain_at_most_as_often_as_stated(num_controls: int, k: int) -> None:
    """17 mixtures against few singles of equal quality: the larger arm has no advantage at equal k."""
    rng = np.random.default_rng(3)
    gains, losses, unequal = 0, 0, []
    for _ in range(400):
        difficulty = rng.normal(0, 0.25, 120)
        many, few = tries(rng, 17, difficulty), tries(rng, num_controls, difficulty)
        effect = best_of_effect(many, few, np.arange(120), k=k)
        gains, losses = gains + (effect.low > 0), losses + (effect.high < 0)
        unequal.append(picked_value(many, 17) - picked_value(few, 1))
    assert gains / 400 <= 0.05 and losses / 400 <= 0.05
    assert np.mean(unequal) > 0.01  # best of 17 against one single: a gain made of nothing


def test_a_true_difference_is_found() -> None:
    rng = np.random.default_rng(4)
    difficulty = rng.normal(0, 0.25, 400)
    effect = best_of_effect(
        tries(rng, 17, difficulty, gain=0.2), tries(rng, 6, difficulty), np.arange(400) // 2, k=3
    )
    assert effect.low > 0 and 0.1 < effect.estimate < 0.3
    assert (effect.n_items, effect.n_clusters, effect.n_seeds) == (400, 200, 6)
    assert 0 < effect.seed_share < 1


@pytest.mark.parametrize(
    ("num", "k", "items", "words"),
    [(3, 3, 4, "needs 4 tries or more, got 3"), (2, 1, 4, "needs 3 tries"), (4, 2, 5, "4 tries on 5 items")],
)
def test_bad_input_is_refused(num: int, k: int, items: int, words: str) -> None:
    few = Tries(np.linspace(0, 1, num), np.ones((num, 4)))
    many = Tries(np.linspace(0, 1, 9), np.ones((9, items)))
    with pytest.raises(RecordError, match=words):
        best_of_effect(many, few, np.arange(items), k=k)
