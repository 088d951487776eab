"""Scores of explored runs by their sources, from item outcomes: fresh ones or those of a recorded study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cocktail.analysis.advice.gain import Sources
from cocktail.analysis.advice.heldout import LEVEL
from cocktail.analysis.floor import beats_guess, guess_share
from cocktail.data.grid import mixtures
from cocktail.errors import RecordError, near
from cocktail.files.records import read_json, read_table
from cocktail.scoring.answers import read_evaluations


@dataclass(frozen=True)
class GridOutcomes:
    """Item outcomes of a study.

    Attributes:
        items: one row per run and item: model, stage, run, task, item, cluster, strict and, where there are
            dev rows, split.
        tasks: the mixed tasks of the study, in its order: they name the runs.
        guesses: the accuracy of the better blind guess on each evaluated task, as a share.
    """

    items: pd.DataFrame
    tasks: Sequence[str]
    guesses: Mapping[str, float]


@dataclass(frozen=True)
class TargetScores:
    """Strict accuracies, in points, of one model on one target.

    Attributes:
        fitted: what the model of gain is fitted on.
        test: on the test split.
        model: whose scores they are.
        split: the split of ``fitted``: dev, or test where there are no dev outcomes of the target.
        items: how many items of that split each run was asked.
        above_guess: the sources of the runs that beat a blind guess on test.
    """

    fitted: dict[Sources, float]
    test: dict[Sources, float]
    model: str
    split: str
    items: int
    above_guess: frozenset[Sources]


def target_scores(outcomes: GridOutcomes, *, target: str, model: str = "") -> TargetScores:
    """Return the scores of base and mixtures on ``target``.

    Args:
        model: may be left out where one model has trained runs.

    Raises:
        RecordError: the target is not evaluated; the model is unknown or not named among several.
    """
    name, mine = explored_items(outcomes, target=target, model=model)
    split = mine["split"] if "split" in mine else pd.Series("test", index=mine.index)
    fitted_on = "dev" if (split == "dev").any() else "test"
    fitted, test = (mine[split == part] for part in (fitted_on, "test"))
    return TargetScores(
        fitted=_by_sources(fitted, outcomes.tasks),
        test=_by_sources(test, outcomes.tasks),
        model=name,
        split=fitted_on,
        items=fitted["item"].nunique(),
        above_guess=_above_guess(test, outcomes.tasks, guess=outcomes.guesses[target]),
    )


def explored_items(outcomes: GridOutcomes, *, target: str, model: str = "") -> tuple[str, pd.DataFrame]:
    """Return the model, and its explored runs' items of the target.

    Raises:
        RecordError: the target is not evaluated; the model is unknown or not named among several.
    """
    explored = outcomes.items[outcomes.items["stage"] == "explore"]
    names = sorted(explored[~explored["run"].isin(["base", "base_shots"])]["model"].unique())
    if model not in names and (model or len(names) != 1):
        said = f"no trained runs of model {model!r}" if model else "several models have trained runs"
        raise RecordError(f"{said}{near(model, names)}", fix="--model")
    explored = explored[explored["model"] == (model or names[0])]
    evaluated = explored["task"].astype(str).unique()
    if target not in evaluated:
        raise RecordError(
            f"target {target!r} is not evaluated here{near(target, evaluated)}",
            fix="of another study: dvc exp run -S study=NAME, or --study RECORD",
        )
    return model or str(names[0]), explored[explored["task"] == target]


def grid_of(tasks: Sequence[str]) -> dict[str, Sources]:
    """Return the sources of the untuned base and of every mixture, by run id."""
    return {"base": (), **{run: sources for run, (_, sources) in mixtures(tasks).items()}}


def answered_by_all(items: pd.DataFrame) -> tuple[pd.DataFrame, NDArray[np.str_]]:
    """Return outcomes (0 or 1) by run and item, of items that every run was asked; and their clusters."""
    text = items.astype({"run": str, "item": str, "cluster": str})
    text = text.assign(ok=(text["strict"] == "ok").astype(float))
    values = text.pivot(index="run", columns="item", values="ok").dropna(axis="columns")
    return values, text.groupby("item")["cluster"].first()[values.columns].to_numpy(dtype=str)


def fresh(scores: Path, prepared: Path, tasks: Sequence[str]) -> GridOutcomes:
    """Return the outcomes of the work tree's study.

    Raises:
        RecordError: a file is missing or broken.
    """
    guesses = {task: guess_share(evaluation) for task, evaluation in read_evaluations(prepared).items()}
    return GridOutcomes(read_table(scores / "items.parquet"), tasks, guesses)


def recorded(folder: Path) -> GridOutcomes:
    """Return the outcomes of a recorded study.

    Raises:
        RecordError: the record is broken.
    """
    tasks: list[str] = read_json(folder / "manifest.json")["params"]["study"]["tasks"]
    guesses = {row["task"]: row["guess"] for row in read_json(folder / "comparison.json")["arms"]}
    return GridOutcomes(read_table(folder / "items.parquet"), tasks, guesses)


def _by_sources(items: pd.DataFrame, tasks: Sequence[str]) -> dict[Sources, float]:
    means = (items["strict"] == "ok").groupby(items["run"].astype(str)).mean() * 100
    return {one: float(means[run]) for run, one in grid_of(tasks).items() if run in means.index}


def _above_guess(items: pd.DataFrame, tasks: Sequence[str], *, guess: float) -> frozenset[Sources]:
    values, clusters = answered_by_all(items)
    better = beats_guess(values.to_numpy(), clusters, guess=guess, confidence=1 - LEVEL)
    runs = {run for run, above in zip(values.index, better, strict=True) if above}
    return frozenset(one for run, one in grid_of(tasks).items() if run in runs)
