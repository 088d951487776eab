"""Scores of explored runs by their sources, from item outcomes: fresh ones or those of a recorded study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cocktail.advice.gain import Sources
from cocktail.errors import RecordError, near
from cocktail.grid import mixtures
from cocktail.records import read_json, read_table


@dataclass(frozen=True)
class TargetScores:
    """Strict accuracies, in points, of one model on one target.

    Attributes:
        fitted: what the model of gain is fitted on.
        test: on the test split.
        model: whose scores they are.
        split: the split of ``fitted``: dev, or test where there are no dev outcomes of the target.
    """

    fitted: dict[Sources, float]
    test: dict[Sources, float]
    model: str
    split: str


def target_scores(items: pd.DataFrame, tasks: Sequence[str], *, target: str, model: str = "") -> TargetScores:
    """Return the scores of base and mixtures on ``target``.

    Args:
        items: one row per run and item: model, stage, run, task, strict and, where dev is there too, split.
        tasks: the mixed tasks of the study, in its order: they name the runs.
        model: may be left out where one model has trained runs.

    Raises:
        RecordError: the target is not evaluated; the model is unknown or not named among several.
    """
    explored = items[items["stage"] == "explore"]
    names = sorted(explored[explored["run"] != "base"]["model"].unique())
    if model not in names and (model or len(names) != 1):
        said = f"no trained runs of model {model!r}" if model else "several models have trained runs"
        raise RecordError(f"{said}{near(model, names)}", fix="--model")
    explored = explored[explored["model"] == (model or names[0])]
    evaluated = explored["task"].astype(str).unique()
    if target not in evaluated:
        raise RecordError(f"target {target!r} is not evaluated here{near(target, evaluated)}")
    mine = explored[explored["task"] == target]
    split = mine["split"] if "split" in mine else pd.Series("test", index=mine.index)
    fitted_on = "dev" if (split == "dev").any() else "test"
    return TargetScores(
        fitted=_by_sources(mine[split == fitted_on], tasks),
        test=_by_sources(mine[split == "test"], tasks),
        model=model or names[0],
        split=fitted_on,
    )


def recorded(folder: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return item outcomes and mixed tasks of a recorded study.

    Raises:
        CocktailError: there is no such record, or it is broken.
    """
    if not folder.is_dir():
        known = [path.name for path in folder.parent.glob("*") if path.is_dir()]
        raise RecordError(f"no study {folder.name!r} is recorded{near(folder.name, known)}")
    tasks: list[str] = read_json(folder / "manifest.json")["params"]["study"]["tasks"]
    return read_table(folder / "items.parquet"), tasks


def _by_sources(items: pd.DataFrame, tasks: Sequence[str]) -> dict[Sources, float]:
    means = (items["strict"] == "ok").groupby(items["run"].astype(str)).mean() * 100
    sources: dict[str, Sources] = {"base": (), **{run: one for run, (_, one) in mixtures(tasks).items()}}
    return {one: float(means[run]) for run, one in sources.items() if run in means.index}
