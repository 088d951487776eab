"""A task of one's own among the modules of ``cocktail.tasks``, for the length of a test; and rows for one.

The rows are invented minutes of an invented bank: a text, a numbered stance and a year.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import cocktail.tasks
from cocktail.tasks import task_groups

TEXT = '''"""Speeches of a made-up bank: hawkish or dovish? Invented."""

from cocktail.tasks.base import Example, Row, Task, label_named, text_of

LABELS = ("hawkish", "dovish")


def example(row: Row) -> Example:
    """One sentence."""
    text, label = text_of(row, "text"), label_named(row, "label", LABELS)
    return Example(instruction="Which?", input=text, answer=label, gold=label, cluster=text)


TASK = Task(
    name="speeches",
    kind="label",
    columns=("text", "label"),
    example=example,
    max_new_tokens=8,
    metric="accuracy",
    groups=("finance",),
    labels=LABELS,
)
'''


@contextmanager
def own_task(folder: Path, name: str = "speeches", text: str = TEXT) -> Iterator[None]:
    """Put a file with a task into ``folder`` and let the package find it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    cocktail.tasks.__path__.append(str(folder))
    task_groups.cache_clear()
    try:
        yield
    finally:
        cocktail.tasks.__path__.remove(str(folder))
        sys.modules.pop(f"cocktail.tasks.{name}", None)
        task_groups.cache_clear()


SUBJECTS = ("Inflation", "Growth", "Employment", "Spending", "Demand", "Credit")
SAYINGS = (
    ("may call for higher rates", "warrants a firmer stance", "risks overheating"),
    ("may call for lower rates", "warrants more support", "remains too weak"),
    ("was little changed", "was discussed", "was in line with the staff's view"),
)
NAMES = "0=hawkish,1=dovish,2=neutral"


def own_rows(count: int = 400) -> list[dict[str, Any]]:
    """Return that many rows; which saying has which stance is the same for all."""
    random = Random(1)
    rows = []
    for number in range(count):
        stance = random.randrange(3)
        text = f"{random.choice(SUBJECTS)} in district {number} {random.choice(SAYINGS[stance])} ."
        rows.append({"index": number, "year": 2000 + number % 15, "sentence": text, "label": stance})
    return rows


def write_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path
