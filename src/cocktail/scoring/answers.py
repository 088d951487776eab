"""Stored answers and the gold they are held against: read, and refused where they are not whole.

A stage's answers folder holds what its ``index.json`` lists, no more and no less: a run that was taken off
the list must leave no trace in the scores. A run answers every item exactly once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cocktail.data.grid import Asked, mixture_of
from cocktail.data.table import sampled
from cocktail.errors import RecordError
from cocktail.files.records import DIGESTS, read_json, read_table
from cocktail.tasks.base import Kind

SPLITS = ("dev", "test")
STAGES = ("explore", "confirm")  # the folders of answers of one model


@dataclass(frozen=True)
class Evaluation:
    """One evaluated task: how its answers are read, and its gold (columns item, split, cluster, gold)."""

    task: str
    kind: Kind
    labels: tuple[str, ...]
    gold: pd.DataFrame

    @property
    def has_labels(self) -> bool:
        """Whether an answer is one of ``labels``."""
        return self.kind in ("label", "choice")


def read_evaluations(prepared: Path) -> dict[str, Evaluation]:
    """Return every evaluated task of ``tasks.json`` with the gold of its dev and test rows."""
    tasks = read_json(prepared / "tasks.json")
    return {
        task: Evaluation(
            task=task, kind=facts["kind"], labels=tuple(facts["labels"] or ()), gold=_gold(prepared / task)
        )
        for task, facts in tasks.items()
        if facts["evaluates"]
    }


def read_answers(folder: Path) -> dict[str, pd.DataFrame]:
    """Return the answers of every run that the folder's index lists, in its order.

    Raises:
        RecordError: folder and list differ.
    """
    runs = read_runs(folder)
    return {run: read_table(folder / f"{run}.parquet") for run in runs}


def read_runs(folder: Path) -> list[str]:
    """Return the run ids of the folder's index.

    Raises:
        RecordError: a run is listed twice, a listed file is missing, or a file is there that no list has.
    """
    runs: list[str] = read_json(folder / "index.json")["runs"]
    expected = {"index.json", *(f"{run}{ending}" for run in runs for ending in (".parquet", ".json"))}
    found = {path.name for path in folder.iterdir()} - {DIGESTS}  # older answers have no digests
    problems = [f"{name} is listed but not there" for name in sorted(expected - found)]
    problems += [f"{name} is there but not listed" for name in sorted(found - expected)]
    if len(set(runs)) < len(runs):
        problems.append("a run is listed twice")
    if problems:
        raise RecordError(
            f"answers and their list differ: {'; '.join(problems)}", where=str(folder), fix="dvc repro"
        )
    return runs


def asked_items(evaluation: Evaluation, asked: Asked) -> pd.DataFrame:
    """Return the gold of the items that a run is asked, in the order of the prepared data."""
    gold = evaluation.gold
    test = sampled(gold["item"][gold["split"] == "test"], asked.test_rows)
    return gold[gold["item"].isin(test) | ((gold["split"] == "dev") & asked.dev)]


@dataclass(frozen=True)
class AskedRun:
    """What scores need of the receipt of a run: mixture and seed, and what it was asked."""

    mixture: str
    seed: int
    asked: tuple[Asked, ...]


def read_asked(folder: Path, run: str) -> AskedRun:
    """Return what the receipt of a run says of its seed and its evaluation sets."""
    receipt = read_json(folder / f"{run}.json")
    asked = (Asked(task, one["dev"], one["test_rows"]) for task, one in receipt["asked"].items())
    return AskedRun(mixture_of(run, receipt["seed"]), receipt["seed"], tuple(asked))


def check_whole(
    answers: pd.DataFrame, evaluations: Mapping[str, Evaluation], *, run: str, asked: Iterable[Asked]
) -> None:
    """Refuse a run that does not answer every item that it is asked exactly once.

    Raises:
        RecordError: items are missing, doubled or foreign; names the first of each.
    """
    wanted = {item for one in asked for item in asked_items(evaluations[one.task], one)["item"]}
    found = set(answers["item"])
    doubled = answers["item"][answers["item"].duplicated()]
    problems = [
        f"{len(items)} {what}, such as {min(items)}"
        for what, items in (
            ("not answered", wanted - found),
            ("answered twice", set(doubled)),
            ("not asked", found - wanted),
        )
        if items
    ]
    if problems:
        raise RecordError(f"run {run} does not answer each item once: {'; '.join(problems)}", fix="dvc repro")


def _gold(folder: Path) -> pd.DataFrame:
    parts = [
        read_table(folder / f"{split}.parquet")[["item", "cluster", "gold"]].assign(split=split)
        for split in SPLITS
    ]
    return pd.concat(parts, ignore_index=True)
