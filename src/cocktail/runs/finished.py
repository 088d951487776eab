"""A run that is done: what its training came to, its answers by evaluation set, and how a stage writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from cocktail.data.grid import Asked, Run
from cocktail.files.records import (
    fresh_folder,
    list_digests,
    read_json,
    read_table,
    write_json,
    write_table,
)
from cocktail.files.store import Store, read_runtime, write_runtime

NOT_TRAINED: Mapping[str, Any] = {
    "rows": {},
    "tokens": {"trained": 0, "total": 0},
    "steps": 0,
    "epochs": 0.0,
    "loss": [],
    "trainable_parameters": 0,
    "made_on": {},
}
COUNTS = ("answered", "empty_answers", "not_stopped")


@dataclass(frozen=True)
class Answered:
    """A run's answers to one evaluation set, as text or, of a run kept in git, as codes.

    Attributes:
        key: of the answers in the run store.
        read: returns the table.
        receipt: how answers ended (``COUNTS``), and ``made_on``, the device.
        runtime: seconds, memory, energy.
    """

    asked: Asked
    key: str
    read: Callable[[], pd.DataFrame]
    receipt: Mapping[str, Any]
    runtime: Mapping[str, Any] = field(default_factory=dict)


def how_ended(table: pd.DataFrame) -> dict[str, int]:
    """Return how the answers to one evaluation set ended: ``COUNTS``."""
    return {
        "answered": len(table),
        "empty_answers": int((table["answer"].str.strip() == "").sum()),
        "not_stopped": int((~table["stopped"]).sum()),
    }


def publish_answers(
    store: Store, key: str, table: pd.DataFrame, *, made_on: str, runtime: dict[str, Any]
) -> None:
    """Put the answers to one evaluation set into the store, with their receipt."""
    with store.publish("answers", key) as folder:
        write_table(folder / "answers.parquet", table)
        write_json(folder / "receipt.json", {**how_ended(table), "made_on": made_on})
        write_runtime(folder, runtime)


def read_answers(entry: Path, asked: Asked, key: str) -> Answered:
    """Return what :func:`publish_answers` put into the entry of a store."""
    read = partial(read_table, entry / "answers.parquet")
    return Answered(asked, key, read, read_json(entry / "receipt.json"), read_runtime(entry))


@dataclass(frozen=True)
class Finished:
    """A run that is done.

    Attributes:
        about: what the run is: model, config, digests, and the key of its training.
        training: the training's part of the receipt; ``NOT_TRAINED`` for the base.
    """

    run: Run
    about: Mapping[str, Any]
    training: Mapping[str, Any]
    answers: tuple[Answered, ...]
    runtime: Mapping[str, Any] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Optimiser steps."""
        return int(self.training["steps"])

    def table(self) -> pd.DataFrame:
        """Return all answers, one row an item; an evaluation set may be codes beside others that are text."""
        return pd.concat([one.read() for one in self.answers], ignore_index=True)

    def receipt(self) -> dict[str, Any]:
        """Return what a stage writes beside the answers."""
        run = self.run
        devices = sorted({str(one.receipt["made_on"]) for one in self.answers})
        return {
            "run": run.id,
            "kind": run.kind,
            "sources": list(run.sources),
            "seed": run.seed,
            **self.about,
            **self.training,
            "asked": {
                one.asked.task: {"dev": one.asked.dev, "test_rows": one.asked.test_rows, "key": one.key}
                for one in self.answers
            },
            "answered_on": devices,
            **{name: sum(int(one.receipt[name]) for one in self.answers) for name in COUNTS},
        }


def write_runs(out: Path, runs: Iterable[Finished], *, lock: str) -> None:
    """Write table and receipt of every run, and their list, into the folder ``out``, all or nothing.

    Args:
        lock: digest of the study's lock, "" if it has none; it stands in the list.
    """
    names = []
    with fresh_folder(out) as folder:
        for one in runs:
            write_table(folder / f"{one.run.id}.parquet", one.table())
            write_json(folder / f"{one.run.id}.json", one.receipt())
            names.append(one.run.id)
        write_json(folder / "index.json", {"runs": names, "lock": lock})
        list_digests(folder)
