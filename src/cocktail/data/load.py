"""Raw files of one source to a table of examples, with what had to be left out and why."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cocktail.config import RawFile
from cocktail.data.refuse import refuse_bad_rows
from cocktail.data.table import COLUMNS, SPLITS, unescape
from cocktail.errors import first_line
from cocktail.sources.read import Malformed, RawRow, read_rows
from cocktail.tasks import BadLabel, BadRow, Example, Task

QUARANTINE = ("source", "file", "row", "reason", "raw")
RAW_LENGTH = 500
# What a reader of one row may stumble over, where the row holds what nobody thought of.
NO_ROW = (ValueError, TypeError, LookupError, ArithmeticError, RecursionError)


@dataclass(frozen=True)
class Loaded:
    """One source after reading.

    Attributes:
        rows: examples of each split; ``cluster`` and ``document`` still hold the texts, not digests.
        rows_in: raw rows of each split.
        unescaped: rows in which HTML entities were replaced.
        quarantine: rows left out, columns :data:`QUARANTINE`; ``row`` counts from 0 within the file.
    """

    rows: dict[str, pd.DataFrame]
    rows_in: dict[str, int]
    unescaped: int
    quarantine: pd.DataFrame


def load_source(folder: Path, *, task: Task, files: list[RawFile], max_quarantine_share: float) -> Loaded:
    """Read all files of a source as examples of its task.

    Raises:
        DataError: a file cannot be read, lacks a column, or too many of its rows are bad.
    """
    examples: dict[str, list[dict[str, str]]] = {split: [] for split in SPLITS}
    rows_in, unescaped = dict.fromkeys(SPLITS, 0), 0
    bad: list[tuple[str, str, int, str, str]] = []
    for file in files:
        reasons: Counter[str] = Counter()
        labels: dict[str, Counter[str]] = defaultdict(Counter)
        number = -1
        for number, row in read_rows(folder / file.path, task.columns):
            row, changed = _unescaped(row)
            example = example_of(task, row, labels)
            if isinstance(example, Malformed):
                reasons[example.reason] += 1
                bad.append((task.name, file.path, number, example.reason, _writable(example.raw)))
            else:
                item = f"{task.name}:{file.split}:{rows_in[file.split] + number}"
                examples[file.split].append({"item": item, "task": task.name, **asdict(example)})
                unescaped += changed
        rows_in[file.split] += number + 1
        refuse_bad_rows(
            folder / file.path,
            reasons,
            labels,
            labels=task.labels or (),
            rows=number + 1,
            share=max_quarantine_share,
        )
    return Loaded(
        rows={split: pd.DataFrame(examples[split], columns=COLUMNS, dtype="str") for split in SPLITS},
        rows_in=rows_in,
        unescaped=unescaped,
        quarantine=pd.DataFrame(bad, columns=QUARANTINE),
    )


def _unescaped(row: RawRow) -> tuple[RawRow, bool]:
    """The row with HTML entities in its texts replaced, and whether there were any."""
    if isinstance(row, Malformed):
        return row, False
    clean = {key: unescape(value) if isinstance(value, str) else value for key, value in row.items()}
    return clean, clean != row


def example_of(task: Task, row: RawRow, labels: dict[str, Counter[str]] | None = None) -> Example | Malformed:
    """Return the example of a raw row, or why it is none; whatever stands in the row, nothing is raised.

    A value that is no label is counted in ``labels``, by column.
    """
    if isinstance(row, Malformed):
        return row
    try:
        example = task.asked(row)
        reason = _unwritable("".join(astuple(example)))
        if not reason:
            return example
    except BadRow as error:
        reason = str(error)
        if labels is not None and isinstance(error, BadLabel):
            labels[error.column][error.value] += 1
    except NO_ROW as error:
        reason = f"{type(error).__name__}: {first_line(error)}"
    return Malformed(_writable(reason), _shown(task, row))


def _unwritable(text: str) -> str:
    """Why a text can be no field of a table, "" if it can."""
    if "\0" in text:
        return "holds the character NUL"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "holds half a character (a lone surrogate)"
    return ""


def _shown(task: Task, row: Mapping[str, Any]) -> str:
    """What the quarantine shows of a row."""
    try:
        shown = {column: row[column] for column in task.columns}
        return json.dumps(shown, ensure_ascii=False, default=str)
    except NO_ROW as error:
        return f"cannot be shown ({type(error).__name__})"


def _writable(text: str) -> str:
    return text[:RAW_LENGTH].encode("utf-8", "backslashreplace").decode()
