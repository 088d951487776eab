"""Reading answers: every case here was a fault of some published scorer, or could become one of ours.

What an answer is worth, by kind of task; and the evaluate.Metric modules, which load offline, count INVALID
as wrong, and agree with scikit-learn.
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
from cocktail.tasks.reading.extract import (
    lenient_choice,
    lenient_label,
    lenient_quantity,
    lenient_text,
    strict_label,
    strict_quantity,
    strict_text,
)
from cocktail.tasks.reading.numbers import parse_number, same_number

MOODS = ("positive", "negative", "neutral")
TOPICS = ("Fed | Central Banks", "Stock Movement", "Stock Commentary", "Markets", "M&A | Investments")


@pytest.mark.parametrize(
    ("answer", "strict", "lenient"),
    [
        ("positive", "positive", "positive"),
        ("  Positive\n", "positive", "positive"),
        ("The mood is positive.", None, "positive"),
        ("positive, clearly positive", None, "positive"),
        ("not positive", None, None),
        ("It isn't really that positive", None, None),
        ("non-positive", None, None),
        ("not positive, but negative", None, "negative"),
        ("neither positive nor negative: neutral", None, "neutral"),
        ("It is not clear, but positive", None, "positive"),
        ("positive or negative", None, None),
        ("positively", None, None),
        ("good", None, None),
        ("", None, None),
    ],
)
def test_labels_are_read_as_words_without_case(answer: str, strict: str | None, lenient: str | None) -> None:
    assert (strict_label(answer, MOODS), lenient_label(answer, MOODS)) == (strict, lenient)


@pytest.mark.parametrize(
    ("answer", "strict", "lenient"),
    [
        ("fed|central banks", TOPICS[0], TOPICS[0]),
        ("Topic: Stock  Movement", None, "Stock Movement"),
        ("Stock", None, None),
        ("M&A | Investments.", None, "M&A | Investments"),
        ("Markets, Stock Commentary", None, None),
    ],
)
def test_topics_of_several_words(answer: str, strict: str | None, lenient: str | None) -> None:
    assert (strict_label(answer, TOPICS), lenient_label(answer, TOPICS)) == (strict, lenient)


def test_longer_label_hides_the_shorter_inside_it() -> None:
    assert lenient_label("it is rate news", ("rate", "rate news")) == "rate news"


@pytest.mark.parametrize(
    ("answer", "lenient"),
    [("No.", "No"), ("No, it does not", "No"), ("Yes, no doubt", None), ("no yes", None), ("nothing", None)],
)
def test_no_is_an_answer_where_it_is_a_label(answer: str, lenient: str | None) -> None:
    assert lenient_label(answer, ("Yes", "No")) == lenient


@pytest.mark.parametrize(
    ("answer", "strict", "lenient"),
    [
        ("4", 4.0, 4.0),
        ("-4", -4.0, -4.0),
        ("− 4", -4.0, -4.0),
        ("7 - 3 = 4", 4.0, 4.0),
        ("3 - 7 = -4", -4.0, -4.0),
        ("3-7=- 4", -4.0, -4.0),
        ("6 + 2 = 8 boxes\n#### 8", 8.0, 8.0),
        ("The answer is 72", None, 72.0),
        ("The answer is $1,234.50.", None, 1234.5),
        ("1,234,567", 1234567.0, 1234567.0),
        ("14%", 0.14, 0.14),
        ("14 percent", 0.14, 0.14),
        ("(14.2%)", -0.142, -0.142),
        ("(5)%", -0.05, -0.05),
        ("$(5)", -5.0, -5.0),
        ("-$5", -5.0, -5.0),
        ("US$ 5.2 million", 5.2e6, 5.2e6),
        ("a loss of (3.5) million", None, -3.5e6),
        (".5", 0.5, 0.5),
        ("1e-05", 1e-05, 1e-05),
        ("it is -4", None, -4.0),
        ("4, I say 4", None, 4.0),
        ("14% in 2019", None, None),
        ("1,23", None, None),
        ("2019-2020", None, None),
        ("see the 10-K of Q3", None, None),
        ("5-7%", None, None),
        ("= 12 and 3", None, 12.0),
        ("x = y", None, None),
        ("", None, None),
    ],
)
def test_numbers_keep_sign_percent_brackets_separators(
    answer: str, strict: float | None, lenient: float | None
) -> None:
    read = [strict_quantity(answer), lenient_quantity(answer)]
    assert [number and number.value for number in read] == [pytest.approx(strict), pytest.approx(lenient)]


@pytest.mark.parametrize(
    ("answer", "gold", "kept", "loose"),
    [
        ("14%", "0.14", True, True),
        ("14", "0.14", False, False),
        ("14", "14%", False, True),
        ("14%", "14", False, True),
        ("$1,577 million", "$1577.00", False, True),
        ("14 million", "14%", False, False),
        ("-14%", "14%", False, False),
        ("0.1404", "0.14", True, True),
        ("0.15", "0.14", False, False),
    ],
)
def test_units_and_tolerance(answer: str, gold: str, kept: bool, loose: bool) -> None:
    one, other = parse_number(answer), parse_number(gold)
    assert one is not None and other is not None
    assert same_number(one, other, relative=0.005, absolute=0.0, units="kept") is kept
    assert same_number(one, other, relative=0.005, absolute=0.0, units="loose") is loose


@pytest.mark.parametrize(
    ("answer", "strict", "lenient"),
    [
        ("B", "B", "B"),
        ("b", "B", "B"),
        ("(B)", None, "B"),
        ("B. The second", None, "B"),
        ("The answer is D", None, "D"),
        ("The answer is (D).", None, "D"),
        ("A company may choose", None, None),
        ("(A) or (B)", None, None),
        ("E", None, None),
    ],
)
def test_choices_need_a_mark(answer: str, strict: str | None, lenient: str | None) -> None:
    assert (strict_label(answer, "ABCD"), lenient_choice(answer)) == (strict, lenient)


def test_an_empty_text_is_invalid() -> None:
    assert (strict_text("  \n"), lenient_text("...")) == (None, None)
    assert (strict_text(" up  by 3 "), lenient_text(" up  by 3 ")) == ("up  by 3", "up by 3")


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
