"""What a task is: how a raw row becomes an example, and how an answer is read.

A task module holds one screen: docstring (where the data is from, its licence, one worked example), a
function from raw row to :class:`Example`, and one :class:`Task` named ``TASK``. It normalises, splits and
scores nothing itself: ``cocktail.data`` and ``cocktail.scoring`` do that for all tasks alike.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from cocktail.tasks.reading import extract

Row = Mapping[str, Any]
Kind = Literal["label", "number", "choice", "free"]

YES_NO = ("yes", "no")
PERCENT = 0.01


class BadRow(Exception):  # noqa: N818 (a verdict on a row, caught per row and counted, not an error of the run)
    """A raw row that the task cannot use; ``str()`` of it is the reason written to the quarantine."""


class BadLabel(BadRow):
    """A label that is none of the task's; the column and the value tell what the file holds instead."""

    def __init__(self, reason: str, *, column: str, value: str) -> None:
        super().__init__(reason)
        self.column, self.value = column, value


@dataclass(frozen=True)
class Example:
    """One question of a task, as prompts and training see it.

    Attributes:
        instruction: what to do; the same for many rows.
        input: what to do it with; may be empty.
        answer: what is trained on.
        gold: the canonical answer that scoring compares with.
        cluster: the text that this row shares with others that stand or fall with it (a headline, a page).
        document: the filing page the row is about, "" if none; pages are matched across tasks.
    """

    instruction: str
    input: str
    answer: str
    gold: str
    cluster: str
    document: str = ""


@dataclass(frozen=True)
class Task:
    """A task: its raw columns, its examples, its labels, its answer readers and its metric.

    Attributes:
        name: the task's key, and the name of its module.
        kind: which answers there are: one of ``labels``, a number (or yes/no), a letter, or free text; this
            and ``labels`` settle how ``cocktail.scoring`` reads an answer, strictly and leniently.
        columns: raw columns that ``example`` reads; a file that lacks one is refused.
        example: from raw row to example; raises :class:`BadRow`.
        max_new_tokens: longest answer that is generated.
        metric: the primary metric's name.
        closing: the last line of the prompt: names the labels and asks for one word, or one number.
        labels: the fixed set of answers, None if there is none.
        groups: what claims know it by, besides its name: finance (what the study is about), general (what it
            is not trained on), and parts of them.
        trains: whether its rows may be in a mixture.
        evaluates: whether models answer it.
    """

    name: str
    kind: Kind
    columns: tuple[str, ...]
    example: Callable[[Row], Example]
    max_new_tokens: int
    metric: str
    labels: tuple[str, ...] | None = None
    closing: str = ""
    groups: tuple[str, ...] = ()
    trains: bool = True
    evaluates: bool = True

    def asked(self, row: Row) -> Example:
        """Return the example of a raw row with the closing line after its input.

        Raises:
            BadRow: the row cannot be used.
        """
        example = self.example(row)
        return replace(example, input="\n".join(part for part in (example.input, self.closing) if part))


def text_of(row: Row, column: str) -> str:
    """Return a text field that must hold something, without outer white space.

    Raises:
        BadRow: the field is no text, or is empty.
    """
    text = optional_text(row, column)
    if not text:
        raise BadRow(f"{column} is empty")
    return text


def optional_text(row: Row, column: str) -> str:
    """Return a text field without outer white space; null is the empty text.

    Raises:
        BadRow: the field holds something else than text.
    """
    value = row[column]
    if value is not None and not isinstance(value, str):
        raise BadRow(f"{column} is no text but {type(value).__name__}")
    return (value or "").strip()


def label_at(row: Row, column: str, labels: Sequence[str]) -> str:
    """Return the label with the number in ``column``; CSV files hold the number as text.

    Raises:
        BadRow: no whole number, or none of the labels has it.
    """
    value = str(row[column]).strip()
    if not re.fullmatch(r"\d{1,9}", value) or int(value) >= len(labels):
        reason = f"{column} is {value[:50]!r}, not one of 0 to {len(labels) - 1}"
        raise BadLabel(reason, column=column, value=value[:50])
    return labels[int(value)]


def label_named(row: Row, column: str, labels: Sequence[str]) -> str:
    """Return the label as ``labels`` writes it; an empty field stays empty, for cleaning to count.

    Raises:
        BadRow: it is none of them.
    """
    try:
        text = optional_text(row, column)
    except BadRow as error:
        raise BadLabel(str(error), column=column, value=str(row[column])[:50]) from None
    found = extract.strict_label(text, labels) if text else ""
    if found is None:
        reason = f"{column} is {text!r}, not one of {', '.join(labels)}"
        raise BadLabel(reason, column=column, value=text[:50])
    return found


def number_named(answer: str) -> str:
    """Return the canonical form of a numeric answer: digits, a percent sign if it has one, or yes/no.

    The percent sign stays because scoring compares loosely where only one side has it. An empty answer
    stays empty, for cleaning to count.

    Raises:
        BadRow: it is neither a number nor yes/no.
    """
    if not answer:
        return ""
    word = extract.strict_label(answer, YES_NO)
    if word:
        return word
    quantity = extract.strict_quantity(answer)
    if quantity is None:
        raise BadRow(f"{answer!r} is no number")
    if not math.isfinite(quantity.value):
        raise BadRow("a number too large to be compared")
    if quantity.unit == PERCENT:
        return f"{quantity.digits!r}%".replace(".0%", "%")
    return repr(quantity.value).removesuffix(".0")
