"""A task of one's own among the modules of ``cocktail.tasks``, for the length of a test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cocktail.tasks
from cocktail.tasks import task_groups

TEXT = '''"""Minutes of a made-up bank: hawkish or dovish? Invented."""

from cocktail.tasks.base import Example, Row, Task, label_named, text_of

LABELS = ("hawkish", "dovish")


def example(row: Row) -> Example:
    """One sentence."""
    text, label = text_of(row, "text"), label_named(row, "label", LABELS)
    return Example(instruction="Which?", input=text, answer=label, gold=label, cluster=text)


TASK = Task(
    name="minutes",
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
def own_task(folder: Path, name: str = "minutes", text: str = TEXT) -> Iterator[None]:
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
