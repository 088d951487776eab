"""Reading answers: every case here was a fault of some published scorer, or could become one of ours."""

from __future__ import annotations

import pytest

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
