"""The evaluation items of a study, from the prepared data, with the solved examples shown before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cocktail.config import general_tasks
from cocktail.data.grid import Asked
from cocktail.data.prompts import Item, items_of
from cocktail.data.table import read_split, sampled
from cocktail.errors import DataError
from cocktail.files.records import digest_value, read_json

SPARE = 20  # more examples than asked for are drawn: an item is not shown one of its own cluster


@dataclass(frozen=True)
class Shots:
    """How many solved train examples stand before each question, and the seed that they are drawn with."""

    count: int = 0
    seed: int = 42


NO_SHOTS = Shots()


@dataclass(frozen=True)
class TaskSettings:
    """How a task is answered; ``verbalizers``: label -> as trained answers write it, {} without labels."""

    max_new_tokens: int
    verbalizers: Mapping[str, str]


@dataclass(frozen=True)
class EvaluationSet:
    """All items to answer, with the columns of the prepared tables and ``split``.

    Attributes:
        shots: how many solved examples each item is shown.
        examples: by task, (cluster, example) in the order they are taken; none without train rows.
    """

    table: pd.DataFrame
    tasks: dict[str, TaskSettings]
    shots: int = 0
    examples: Mapping[str, Sequence[tuple[str, Item]]] = field(default_factory=dict)

    def items(self) -> list[Item]:
        """Return the items in the order of ``table``, each with its solved examples of other clusters."""
        return [
            replace(item, shots=self._shown(item.source, cluster))
            for item, cluster in zip(items_of(self.table), self.table["cluster"], strict=True)
        ]

    def _shown(self, task: str, cluster: str) -> tuple[Item, ...]:
        others = (example for origin, example in self.examples.get(task, ()) if origin != cluster)
        return tuple(example for _, example in zip(range(self.shots), others, strict=False))

    def references(self) -> list[str | None]:
        """Return the answer whose likelihood is asked: of test items of what is not trained on; else None."""
        general = general_tasks()
        columns = (self.table[name] for name in ("task", "split", "answer"))
        return [
            answer if task in general and split == "test" else None
            for task, split, answer in zip(*columns, strict=True)
        ]

    def digest(self) -> str:
        """Return the digest of what the model is asked; gold answers play no part."""
        asked = self.table[["item", "split", "cluster", "instruction", "input"]]
        settings = {name: [task.max_new_tokens, dict(task.verbalizers)] for name, task in self.tasks.items()}
        shown = [
            [task, origin, one.instruction, one.input, one.answer]
            for task, examples in self.examples.items()
            for origin, one in examples
        ]
        references = {"references": self.references()} if any(self.references()) else None
        parts = [asked.to_numpy().tolist(), settings, *([self.shots, shown] if shown else []), references]
        return digest_value([part for part in parts if part is not None])


def read_evaluation_set(prepared: Path, asked: Asked, shots: Shots = NO_SHOTS) -> EvaluationSet:
    """Read what is asked of an evaluation set, and draw the solved examples from train.

    Raises:
        DataError: a task of the study was not prepared.
    """
    settings: dict[str, Any] = read_json(prepared / "tasks.json")
    name = asked.task
    if name not in settings:
        raise DataError(f"not prepared: {name}", where=str(prepared), fix="dvc repro prepare")
    test = read_split(prepared, name, "test")
    parts = [test[test["item"].isin(sampled(test["item"], asked.test_rows))].assign(split="test")]
    if asked.dev:
        parts.insert(0, read_split(prepared, name, "dev").assign(split="dev"))
    task = TaskSettings(
        max_new_tokens=int(settings[name]["max_new_tokens"]),
        verbalizers=_verbalizers(prepared, name, settings[name]["labels"] or []),
    )
    examples = {name: _draw(prepared, name, shots)} if shots.count else {}
    return EvaluationSet(pd.concat(parts, ignore_index=True), {name: task}, shots.count, examples)


def _draw(prepared: Path, task: str, shots: Shots) -> list[tuple[str, Item]]:
    """Draw train rows of different clusters, in a seeded order."""
    train = read_split(prepared, task, "train").drop_duplicates("cluster")
    order = np.random.default_rng(shots.seed).permutation(len(train))[: shots.count + SPARE]
    chosen = train.iloc[order]
    return list(zip(chosen["cluster"].tolist(), items_of(chosen), strict=True))


def _verbalizers(prepared: Path, task: str, labels: Sequence[str]) -> dict[str, str]:
    """How each label is written in the train answers (most often, then first in order); else as it is."""
    if not labels:
        return {}
    train = read_split(prepared, task, "train")
    found = train.groupby("gold")["answer"].agg(lambda answers: answers.value_counts(sort=True).index[0])
    return {label: str(found.get(label, label)) for label in labels}
