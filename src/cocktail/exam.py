"""The evaluation items of a study, read from the prepared data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cocktail.data.table import read_split
from cocktail.errors import DataError
from cocktail.records import digest_value, read_json

ANSWERED = ("dev", "test")


@dataclass(frozen=True)
class TaskSettings:
    """How a task is answered; ``spellings``: label -> as trained answers write it, {} without labels."""

    max_new_tokens: int
    spellings: Mapping[str, str]


@dataclass(frozen=True)
class ExamSheet:
    """All items to answer, with the columns of the prepared tables and ``split``."""

    table: pd.DataFrame
    tasks: dict[str, TaskSettings]

    def digest(self) -> str:
        """Return the digest of what the model is asked; gold answers play no part."""
        asked = self.table[["item", "split", "cluster", "instruction", "input"]]
        settings = {name: [task.max_new_tokens, dict(task.spellings)] for name, task in self.tasks.items()}
        return digest_value([asked.to_numpy().tolist(), settings])


def read_exam(prepared: Path, evaluations: Sequence[str]) -> ExamSheet:
    """Read dev and test of every evaluation.

    Raises:
        DataError: a task of the study was not prepared.
    """
    settings: dict[str, Any] = read_json(prepared / "tasks.json")
    missing = [name for name in evaluations if name not in settings]
    if missing:
        raise DataError(f"not prepared: {', '.join(missing)}", where=str(prepared), fix="dvc repro prepare")
    parts = [
        read_split(prepared, name, split).assign(split=split) for name in evaluations for split in ANSWERED
    ]
    tasks = {
        name: TaskSettings(
            max_new_tokens=int(settings[name]["max_new_tokens"]),
            spellings=_spellings(prepared, name, settings[name]["labels"] or []),
        )
        for name in evaluations
    }
    return ExamSheet(pd.concat(parts, ignore_index=True), tasks)


def _spellings(prepared: Path, task: str, labels: Sequence[str]) -> dict[str, str]:
    """How each label is written in the train answers (most often, then first in order); else as it is."""
    if not labels:
        return {}
    train = read_split(prepared, task, "train")
    found = train.groupby("gold")["answer"].agg(lambda answers: answers.value_counts(sort=True).index[0])
    return {label: str(found.get(label, label)) for label in labels}
