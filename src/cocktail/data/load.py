"""Raw files of one source to a table of examples, with what had to be left out and why."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cocktail.config import RawFile
from cocktail.data.table import COLUMNS, SPLITS, unescape
from cocktail.data.refuse import refuse_bad_rows
from cocktail.sources.read import Malformed, RawRow, read_rows
from cocktail.tasks import BadLabel, BadRow, Example, Task

QUARANTINE = ("source", "file", "row", "reason", "raw")
RAW_LENGTH = 500


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
            example = _example(task, row, labels)
            if isinstance(example, Malformed):
                reasons[example.reason] += 1
                bad.append((task.name, file.path, number, example.reason, example.raw[:RAW_LENGTH]))
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


def _example(task: Task, row: RawRow, labels: dict[str, Counter[str]]) -> Example | Malformed:
    """The row as an example, or what is wrong with it; a value that is no label is counted by column."""
    if isinstance(row, Malformed):
        return row
    try:
        return task.asked(row)
    except BadRow as reason:
        if isinstance(reason, BadLabel):
            labels[reason.column][reason.value] += 1
        return Malformed(str(reason), json.dumps(dict(_columns(task, row)), ensure_ascii=False, default=str))


def _columns(task: Task, row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((column, row[column]) for column in task.columns)
