"""Test scores looked up by model, stage, run and task; and the runs behind each compared recipe ("arm")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cocktail.analysis.selection import confirmed_choices
from cocktail.config import Params
from cocktail.data.confirmation import confirm_runs
from cocktail.data.grid import Run, explore_runs, mixture_of
from cocktail.errors import RecordError
from cocktail.files.records import read_digested, read_table
from cocktail.scoring.codes import LOGPROB

Reading = Literal["strict", "lenient", "decoded", "logprob"]
"""Of free answers, strictly or leniently; by label decoding; how likely the reference answer is (nats)."""
READINGS: tuple[Reading, ...] = ("strict", "lenient")  # of free answers
COLUMNS: Mapping[Reading, str] = {
    "strict": "strict",
    "lenient": "lenient",
    "decoded": "knowledge",
    "logprob": LOGPROB,
}


@dataclass(frozen=True)
class Outcomes:
    """Outcomes of some runs on the same items.

    Attributes:
        values: 0 or 1, or nats a token, shape (runs, items).
        items: their ids.
        clusters: of each item.
    """

    values: NDArray[np.float64]
    items: NDArray[np.str_]
    clusters: NDArray[np.str_]


@dataclass(frozen=True)
class OutcomeTable:
    """Outcomes of all runs on a task, by run and item; missing where a run was not asked an item."""

    values: pd.DataFrame
    clusters: pd.Series[str]

    def of(self, runs: Sequence[str]) -> Outcomes:
        """Return the outcomes of ``runs`` on the items that all of them were asked, ordered by item id."""
        mine = self.values.loc[list(runs)].dropna(axis="columns")
        values, clusters = mine.to_numpy(dtype=np.float64), self.clusters[mine.columns].to_numpy(dtype=str)
        return Outcomes(values, mine.columns.to_numpy(dtype=str), clusters)


@dataclass(frozen=True)
class ModelScores:
    """All test scores of one model.

    Attributes:
        summary: the test rows of summary.parquet of this model, indexed by (stage, run, task).
        items: the test rows of items.parquet of this model.
        selected: the choices of the selection file: task -> {"chosen", "chosen_on_test", ...}.
        floors: its floors: task -> {"live", "guess", ...}; none of an untuned model.
        explored, confirmed: the runs that the study is made of, in order.
        dev: strict accuracy on dev of every explored run, by (run, task): what choices are made on.
        tables: of outcomes by stage, task and reading, each made once.
    """

    model: str
    summary: pd.DataFrame
    items: pd.DataFrame
    selected: Mapping[str, Mapping[str, Any]]
    explored: tuple[Run, ...]
    confirmed: tuple[Run, ...]
    dev: Mapping[tuple[str, str], float] = field(default_factory=dict)
    floors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tables: dict[tuple[str, str, Reading], OutcomeTable] = field(default_factory=dict, init=False, repr=False)

    @property
    def targets(self) -> list[str]:
        """The targets that were confirmed: those within reach."""
        return list(dict.fromkeys(run.sources[0] for run in self.confirmed if run.kind == "single"))

    def at_floor(self, task: str) -> bool:
        """Return whether nothing that was explored does the task better than a blind guess."""
        return task in self.floors and not self.floors[task]["live"]

    def value(self, stage: str, run: str, task: str) -> float | None:
        """Return the strict accuracy of a run on a task, or None where the study has no such run."""
        key = (stage, run, task)
        return float(self.summary["accuracy_strict"][key]) if key in self.summary.index else None

    def outcomes(self, stage: str, runs: Sequence[str], task: str, reading: Reading) -> Outcomes:
        """Return the outcomes of ``runs`` on the items that all of them were asked."""
        return self.table(stage, task, reading).of(runs)

    def table(self, stage: str, task: str, reading: Reading) -> OutcomeTable:
        """Return the outcomes of every run of a stage asked a task; none where there is nothing to read."""
        key = (stage, task, reading)
        if key not in self.tables:
            self.tables[key] = self._table(*key)
        return self.tables[key]

    def _table(self, stage: str, task: str, reading: Reading) -> OutcomeTable:
        rows = self.items[(self.items["stage"] == stage) & (self.items["task"] == task)]
        found = rows.get(COLUMNS[reading], pd.Series(np.nan, index=rows.index))  # old records lack a column
        if reading != "logprob":
            found = (found == "ok").astype(float).where(found != "")
        rows = rows.assign(outcome=found.astype(float)).dropna(subset="outcome")
        values = rows.pivot(index="run", columns="item", values="outcome")
        clusters = rows.drop_duplicates("item").set_index("item")["cluster"]
        return OutcomeTable(values, clusters)

    def asked(self, stage: str, task: str) -> list[str]:
        """Return the runs of a stage that were asked a task, in order."""
        runs = self.explored if stage == "explore" else self.confirmed
        return [run.id for run in runs if any(one.task == task for one in run.asked)]


def read_scores(scores: Path, selected: Path, *, params: Params) -> list[ModelScores]:
    """Return the test scores of each model of the study; of an untuned one those of its base.

    Raises:
        RecordError: the scored runs are not those that params ask for.
    """
    items, summary = (read_table(scores / f"{name}.parquet") for name in ("items", "summary"))
    models = []
    for model, config in params.models.items():
        runs = explore_runs(params, model=model)
        explored = {run.id for run in runs}
        path = selected / f"{model}.json"
        content = read_digested(path)
        chosen = {} if config.untuned else confirmed_choices(path, params)
        unknown = [target for target, roles in chosen.items() if roles["chosen"] not in explored]
        if unknown:
            raise RecordError(
                f"no mixture of this study is chosen for {', '.join(unknown)}",
                where=model,
                fix="dvc repro choose",
            )
        mine = ModelScores(
            model=model,
            summary=_of(summary, model).set_index(["stage", "run", "task"]).sort_index(),
            items=_of(items, model),
            selected=content["choices"],
            floors=content["floors"],
            explored=tuple(runs),
            confirmed=tuple(confirm_runs(params, chosen, model=model)),
            dev=_dev_accuracies(summary, model),
        )
        _check_runs(mine)
        models.append(mine)
    return models


def explored_arms(scores: ModelScores, task: str) -> dict[str, str]:
    """Return the explored run of each arm: base (also with shots), single, chosen, all, if it was asked."""
    wanted = {
        "base": "base",
        "base_shots": "base_shots",
        "single": f"single_{task}",
        "chosen": scores.selected[task]["chosen"] if task in scores.selected else "",
        "all": "all",
    }
    asked = scores.asked("explore", task)
    return {arm: run for arm, run in wanted.items() if run in asked}


def confirmed_arms(scores: ModelScores, target: str) -> dict[str, list[str]]:
    """Return the runs of each arm, one a seed: single, chosen, all, singles matched to either, tuned ones.

    ``steps_as_chosen`` is the single with as many optimiser steps as the chosen mixture, ``size_as_chosen``
    with as many rows (the target's own, then filler); the same for ``all``. ``tuned_single`` and
    ``tuned_mixture`` are the best of equally many tries on dev.
    """
    selection = scores.selected[target]
    mixtures = {"single": f"single_{target}", "chosen": selection["chosen"], "all": "all"}
    mixtures |= {arm: selection.get(arm, "") for arm in ("tuned_single", "tuned_mixture")}
    arms: dict[str, list[str]] = {}
    for run in scores.confirmed:
        if not run.matches:
            names = [arm for arm, mixture in mixtures.items() if mixture == run.mixture]
        else:
            alike = [arm for arm in ("chosen", "all") if mixtures[arm] == mixture_of(run.matches, run.seed)]
            names = [f"{run.kind}_as_{arm}" for arm in alike if run.sources == (target,)]
        for name in names:
            arms.setdefault(name, []).append(run.id)
    return arms


def _dev_accuracies(summary: pd.DataFrame, model: str) -> dict[tuple[str, str], float]:
    asked = (summary["model"] == model) & (summary["split"] == "dev") & (summary["stage"] == "explore")
    rows = summary[asked][["run", "task", "accuracy_strict"]]
    return {(run, task): share for run, task, share in rows.itertuples(index=False, name=None)}


def _of(table: pd.DataFrame, model: str) -> pd.DataFrame:
    return table[(table["model"] == model) & (table["split"] == "test")]


def _check_runs(scores: ModelScores) -> None:
    for stage, runs in (("explore", scores.explored), ("confirm", scores.confirmed)):
        wanted = {(run.id, one.task) for run in runs for one in run.asked}
        found = {(key[1], key[2]) for key in scores.summary.index if key[0] == stage}
        if wanted != found:
            missing, foreign = _named(wanted - found, but=found), _named(found - wanted, but=wanted)
            raise RecordError(
                f"the scored {stage} runs of {scores.model} are not those of params: missing {missing}; "
                f"foreign {foreign}",
                fix="dvc repro",
            )


def _named(scored: set[tuple[str, str]], *, but: set[tuple[str, str]]) -> str:
    """Name runs, and their tasks where the other list has the run, too."""
    known = {run for run, _ in but}
    return ", ".join(sorted({f"{run} on {task}" if run in known else run for run, task in scored})) or "none"
