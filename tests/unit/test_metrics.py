"""What an answer is worth, by kind of task; and the evaluate.Metric modules.

They load offline, count INVALID as wrong, and agree with scikit-learn.
"""

from __future__ import annotations

from pathlib import Path

import evaluate
import numpy as np
import pytest
from sklearn.metrics import f1_score

from cocktail import scoring
from cocktail.errors import DataError
from cocktail.scoring.answer_match import answer_match
from cocktail.scoring.label_scores import label_scores
from cocktail.scoring.outcome import INVALID, Outcome, Tolerance, judge, token_f1
from cocktail.tasks.base import Kind

FOLDER = Path(scoring.__file__).parent
LABELS = ("down", "flat", "up", "unseen")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("datasets.config.HF_MODULES_CACHE", str(tmp_path_factory.mktemp("modules")))


@pytest.mark.usefixtures("offline")
def test_modules_load_by_path_without_a_network() -> None:
    labels = evaluate.load(str(FOLDER / "label_scores.py"))
    scores = labels.compute(predictions=["up", INVALID], references=["up", "down"], labels=LABELS)
    assert scores["accuracy"] == 0.5
    numbers = evaluate.load(str(FOLDER / "answer_match.py"))
    scores = numbers.compute(
        predictions=["4", "about 4", "what?"],
        references=["4", "4", "4"],
        kind="number",
        relative_tolerance=0.0,
        absolute_tolerance=0.0,
    )
    assert (scores["accuracy_strict"], scores["accuracy_lenient"]) == pytest.approx((1 / 3, 2 / 3))
    assert (scores["invalid_strict"], scores["invalid_lenient"]) == pytest.approx((2 / 3, 1 / 3))


@pytest.mark.parametrize("seed", range(5))
def test_f1_is_that_of_scikit_learn_with_invalid_as_no_class(seed: int) -> None:
    rng = np.random.default_rng(seed)
    gold = rng.choice(LABELS[:3], 80)
    predicted = np.where(rng.random(80) < 0.2, INVALID, rng.choice(LABELS, 80))
    scores = label_scores(predicted.tolist(), gold.tolist(), labels=LABELS)
    for average in ("macro", "weighted"):
        expected = f1_score(gold, predicted, labels=LABELS, average=average, zero_division=0)
        assert scores[f"{average}_f1"] == pytest.approx(expected)
    assert scores["accuracy"] == pytest.approx((gold == predicted).mean())


def test_putting_the_gold_label_in_place_of_invalid_would_give_more() -> None:
    gold, predicted = ["up", "up", "down", "flat"], ["up", INVALID, INVALID, "flat"]
    scores = label_scores(predicted, gold, labels=LABELS)
    assert scores["accuracy"] == 0.5
    assert scores["weighted_f1"] < 2 * 0.5 / 1.5 + 0.01
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 0 + 1 + 0) / 4)


def test_a_gold_label_outside_the_set_is_an_error() -> None:
    with pytest.raises(DataError, match="sideways"):
        label_scores(["up"], ["sideways"], labels=LABELS)


def test_the_denominator_is_every_row() -> None:
    scores = answer_match(["invalid", "invalid", "wrong", "ok"], ["invalid", "wrong", "wrong", "ok"])
    assert (scores["accuracy_strict"], scores["accuracy_lenient"], scores["invalid_strict"]) == (
        0.25,
        0.25,
        0.5,
    )


MOODS = ("positive", "negative", "neutral")


def judged(answer: str, gold: str, kind: Kind, labels: tuple[str, ...] = ()) -> Outcome:
    return judge(answer, gold, kind=kind, labels=labels, tolerance=Tolerance(relative=0.01, absolute=1e-6))


@pytest.mark.parametrize(
    ("answer", "gold", "kind", "strict", "lenient"),
    [
        ("Positive", "positive", "label", "ok", "ok"),
        ("It is positive.", "positive", "label", "invalid", "ok"),
        ("negative", "positive", "label", "wrong", "wrong"),
        ("not positive", "positive", "label", "invalid", "invalid"),
        ("8 + 4 = 12", "12", "number", "ok", "ok"),
        ("12.1", "12", "number", "wrong", "wrong"),
        ("12.0", "12", "number", "ok", "ok"),
        ("101", "100", "number", "wrong", "wrong"),
        ("12.6", "12.5", "number", "ok", "ok"),
        ("12.7", "12.5", "number", "wrong", "wrong"),
        ("12.6%", "12.5%", "number", "ok", "ok"),
        ("-12", "12", "number", "wrong", "wrong"),
        ("12%", "12", "number", "wrong", "ok"),
        ("around 12 or 13", "12", "number", "invalid", "invalid"),
        ("yes", "yes", "number", "ok", "ok"),
        ("12", "yes", "number", "invalid", "invalid"),
        ("$6.00", "$6", "free", "ok", "ok"),
        ("The fees were $6.00", "$6", "free", "wrong", "ok"),
        ("the fees grew", "Fees grew.", "free", "ok", "ok"),
        ("fees grew a lot", "Fees grew.", "free", "wrong", "ok"),
        ("nothing of that", "Fees grew.", "free", "wrong", "wrong"),
        ("", "Fees grew.", "free", "invalid", "invalid"),
    ],
)
def test_codes(answer: str, gold: str, kind: Kind, strict: str, lenient: str) -> None:
    outcome = judged(answer, gold, kind, MOODS if kind == "label" else ())
    assert (outcome.strict, outcome.lenient) == (strict, lenient)


def test_choices_are_letters() -> None:
    assert judged("(B)", "B", "choice", ("A", "B")).lenient == "ok"
    assert judged("(B)", "B", "choice", ("A", "B")).strict == "invalid"


def test_what_was_read_is_kept_and_invalid_is_a_value_of_its_own() -> None:
    outcome = judged("It is NEGATIVE", "positive", "label", MOODS)
    assert (outcome.read_strict, outcome.read_lenient) == (INVALID, "negative")


@pytest.mark.parametrize(
    ("gold", "kind", "labels"), [("great", "label", MOODS), ("many", "number", ()), (" ", "free", ())]
)
def test_a_gold_answer_that_cannot_be_scored_is_an_error(
    gold: str, kind: Kind, labels: tuple[str, ...]
) -> None:
    with pytest.raises(DataError):
        judged("positive", gold, kind, labels)


def test_token_f1_by_hand() -> None:
    assert token_f1("the old red mill", "a red mill!") == pytest.approx(2 * 2 / (3 + 2))
    assert token_f1("", "mill") == 0
