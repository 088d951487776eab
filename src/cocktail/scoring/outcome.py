"""What one answer is worth: ok, wrong or invalid, read strictly and leniently.

Rules by kind of task:

- label, choice: the label or letter read is the gold one.
- number: the number read is the gold one within the tolerance. Leniently a unit that only one side writes
  may be left out. Where the gold answer is a word (FinQA has yes and no), the word is read as a label.
- free: a numeric gold answer is compared as a number. Any other must be equal after lower-casing and
  dropping punctuation and articles (strict), or share tokens with F1 of at least 0.5 (lenient).
"""

from __future__ import annotations

import re
import string
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from cocktail.errors import DataError
from cocktail.tasks.base import YES_NO, Kind
from cocktail.tasks.reading.extract import (
    lenient_choice,
    lenient_label,
    lenient_quantity,
    lenient_text,
    strict_label,
    strict_quantity,
    strict_text,
)
from cocktail.tasks.reading.numbers import Number, parse_number, same_number

Code = Literal["ok", "wrong", "invalid"]
INVALID = "INVALID"  # in place of a prediction, where a metric needs one
# Kept codes of other rules are refused: raise this with every change that gives some answer another code.
RULES = 1
TOKEN_F1 = 0.5  # half of the words shared: the usual reading of "mostly the same short answer"


@dataclass(frozen=True)
class Tolerance:
    """How far a number may be off: ``relative`` x |gold| or ``absolute``, whichever is larger."""

    relative: float
    absolute: float


@dataclass(frozen=True)
class Outcome:
    """One answer's codes, and what was read (``INVALID`` where nothing was)."""

    strict: Code
    lenient: Code
    read_strict: str
    read_lenient: str


@lru_cache(maxsize=200_000)  # a run answers with few different labels; a study scores 100,000 answers
def judge(answer: str, gold: str, *, kind: Kind, labels: tuple[str, ...], tolerance: Tolerance) -> Outcome:
    """Compare one raw answer with the gold answer.

    Raises:
        DataError: the gold answer itself is none of the labels, or is empty.
    """
    if kind == "number":
        return _judge_number(answer, gold, tolerance=tolerance)
    if kind == "free":
        return _judge_free(answer, gold, tolerance=tolerance)
    canonical = strict_label(gold, labels)
    if canonical is None:
        raise DataError(
            f"the gold answer {gold!r} is none of the labels {', '.join(labels)}", fix="dvc repro prepare"
        )
    lenient = lenient_label if kind == "label" else lenient_choice
    return _by_equality(canonical, strict=strict_label(answer, labels), lenient=lenient(answer, labels))


def token_f1(answer: str, gold: str) -> float:
    """Return the F1 of the tokens that two texts share, as in SQuAD; 0 where either has none."""
    mine, theirs = Counter(_normal(answer).split()), Counter(_normal(gold).split())
    shared = sum((mine & theirs).values())
    return 2 * shared / (sum(mine.values()) + sum(theirs.values())) if shared else 0.0


def _by_equality(gold: str, *, strict: str | None, lenient: str | None) -> Outcome:
    return Outcome(
        strict=_code(strict, right=strict == gold),
        lenient=_code(lenient, right=lenient == gold),
        read_strict=strict or INVALID,
        read_lenient=lenient or INVALID,
    )


def _judge_number(answer: str, gold: str, *, tolerance: Tolerance) -> Outcome:
    target = parse_number(gold)
    if target is None:
        word = strict_label(gold, YES_NO)
        if word is None:
            raise DataError(
                f"the gold answer {gold!r} is neither a number nor yes or no", fix="dvc repro prepare"
            )
        return _by_equality(word, strict=strict_label(answer, YES_NO), lenient=lenient_label(answer, YES_NO))
    strict, lenient = strict_quantity(answer), lenient_quantity(answer)
    return Outcome(
        strict=_code(strict, right=_agrees(strict, target, tolerance=tolerance, units="kept")),
        lenient=_code(lenient, right=_agrees(lenient, target, tolerance=tolerance, units="loose")),
        read_strict=INVALID if strict is None else f"{strict.value:g}",
        read_lenient=INVALID if lenient is None else f"{lenient.value:g}",
    )


def _judge_free(answer: str, gold: str, *, tolerance: Tolerance) -> Outcome:
    strict, lenient = strict_text(answer), lenient_text(answer)
    if strict_text(gold) is None:
        raise DataError("a gold answer is empty", fix="dvc repro prepare")
    target = parse_number(gold)
    if target is not None:
        strict_right = _agrees(strict_quantity(answer), target, tolerance=tolerance, units="kept")
        lenient_right = _agrees(lenient_quantity(answer), target, tolerance=tolerance, units="loose")
    else:
        strict_right = _normal(answer) == _normal(gold)
        lenient_right = token_f1(answer, gold) >= TOKEN_F1
    return Outcome(
        strict=_code(strict, right=strict_right),
        lenient=_code(lenient, right=lenient_right),
        read_strict=strict or INVALID,
        read_lenient=lenient or INVALID,
    )


def _code(read: object, *, right: bool) -> Code:
    if read is None:
        return "invalid"
    return "ok" if right else "wrong"


def _agrees(
    number: Number | None, gold: Number, *, tolerance: Tolerance, units: Literal["kept", "loose"]
) -> bool:
    return number is not None and same_number(
        number, gold, relative=tolerance.relative, absolute=tolerance.absolute, units=units
    )


def _normal(text: str) -> str:
    """Lower case without punctuation and articles, single spaces."""
    text = re.sub(f"[{re.escape(string.punctuation)}]", " ", text.lower())
    return " ".join(word for word in text.split() if word not in ("a", "an", "the"))
