"""What an answer is worth, by kind of task."""

from __future__ import annotations

import pytest

from cocktail.errors import DataError
from cocktail.scoring.outcome import INVALID, Outcome, Tolerance, judge, token_f1
from cocktail.tasks.base import Kind

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
