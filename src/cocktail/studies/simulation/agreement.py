"""The effects of recorded studies, by the rule and by a second road, from the same answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cocktail.analysis.stats.crossed import Effect, TaskOutcomes, crossed_macro
from cocktail.analysis.stats.variances import Arm
from cocktail.claims.draft import MACRO, SOME
from cocktail.claims.rows import ClaimVerdicts, VerdictRow, read_verdicts
from cocktail.errors import RecordError
from cocktail.files.records import read_json, read_table
from cocktail.studies.simulation.oracle import SecondRoad, second_road

ARMS: tuple[Arm, Arm] = ("treatment", "control")
GIVEN = "base"  # the run of an untuned model: one, no draw of training


class RoadsRow(SecondRoad):
    """A recorded contrast by both roads: shares, and standard errors of them.

    Columns:
        headline: whether it is a claim's macro mean.
        recorded: the estimate in the record; estimate, se: by the rule.
        fewest_clusters: of any of its tasks.
    """

    record: str
    contrast: str
    tasks: list[str]
    headline: bool
    recorded: float
    fewest_clusters: int
    estimate: float
    se: float


@dataclass(frozen=True)
class Contrast:
    """A recorded comparison.

    Attributes:
        name: of the contrast or the claim.
        models, runs: of either arm; runs by task.
        recorded: the estimate in the record, a share; rounded to 1e-6 where ``rounded``.
    """

    name: str
    models: Mapping[Arm, str]
    runs: Mapping[Arm, Mapping[str, Sequence[str]]]
    recorded: float
    rounded: bool = False

    @property
    def tasks(self) -> list[str]:
        """The tasks that it is the mean of."""
        return list(self.runs["treatment"])


def compared(records: Sequence[Path]) -> list[RoadsRow]:
    """Return one row a contrast of each record: both estimates, and the standard errors beside each other."""
    rows: list[RoadsRow] = []
    for record in records:
        contrasts = list(recorded_contrasts(record))
        items = read_table(record / "items.parquet") if contrasts else pd.DataFrame()
        for contrast in contrasts:
            answers = answers_of(items, contrast, where=record)
            ours = rule_effect(answers)
            rows.append(
                {
                    "record": record.name,
                    "contrast": contrast.name,
                    "tasks": contrast.tasks,
                    "headline": contrast.rounded,
                    "recorded": contrast.recorded,
                    "fewest_clusters": int(answers.groupby("task")["cluster"].nunique().min()),
                    "estimate": ours.estimate,
                    "se": ours.se,
                    **second_road(answers),
                }
            )
    return rows


def recorded_contrasts(record: Path) -> Iterator[Contrast]:
    """Yield the confirmed contrasts (strict) of effects.json, then the macro headlines of claims.json."""
    for row in read_json(record / "effects.json")["rows"]:
        if row["reading"] == "strict":
            models: dict[Arm, str] = dict.fromkeys(ARMS, row["model"])
            runs: dict[Arm, Mapping[str, Sequence[str]]] = {
                arm: {row["target"]: row[f"{arm}_runs"]} for arm in ARMS
            }
            yield Contrast(row["contrast"], models, runs, row["estimate"])
    for claim in read_verdicts(record / "claims.json").claims:
        for head in claim.verdicts:
            if head.reading == "strict" and head.scope == MACRO and head.n_items:
                yield _headline(claim, head, where=record)


def _headline(claim: ClaimVerdicts, head: VerdictRow, *, where: Path) -> Contrast:
    """The tasks of a macro mean are those whose own strict rows are tested with the same models."""
    mine = [
        row
        for row in claim.verdicts
        if row.reading == "strict"
        and row.scope not in (MACRO, SOME)
        and (row.model, row.control_model) == (head.model, head.control_model)
        and row.verdict != "not tested"
    ]
    if head.effect is None or sum(row.n_items or 0 for row in mine) != head.n_items:
        raise RecordError(
            f"the tasks of claim {claim.id} have other items than its macro mean of {head.n_items}",
            where=str(where / "claims.json"),
            fix="make record",
        )
    models: dict[Arm, str] = {"treatment": head.treatment_model, "control": head.control_model}
    runs: dict[Arm, Mapping[str, Sequence[str]]] = {
        "treatment": {row.scope: row.treatment_runs for row in mine},
        "control": {row.scope: row.control_runs for row in mine},
    }
    return Contrast(claim.id, models, runs, head.effect / 100, rounded=True)


def answers_of(items: pd.DataFrame, contrast: Contrast, *, where: Path) -> pd.DataFrame:
    """Return the answers of both arms to the items that all of their runs were asked, one row an answer."""
    found = []
    for task in contrast.tasks:
        mine = items[items["task"] == task]
        arms = []
        for arm in ARMS:
            runs = contrast.runs[arm][task]
            chosen = mine[(mine["model"] == contrast.models[arm]) & mine["run"].isin(runs)]
            if chosen["run"].nunique() != len(runs):
                raise RecordError(
                    f"no answers of some of the runs {', '.join(runs)}", where=str(where), fix="make record"
                )
            arms.append(chosen.assign(arm=arm))
        both = pd.concat(arms).astype({"run": str, "item": str, "cluster": str, "task": str})
        num_runs = sum(len(contrast.runs[arm][task]) for arm in ARMS)
        found.append(both[both.groupby("item")["run"].transform("size") == num_runs])
    every = pd.concat(found, ignore_index=True)
    return every.assign(ok=(every["strict"] == "ok").astype(float))


def rule_effect(answers: pd.DataFrame) -> Effect:
    """Return what the rule makes of the same answers."""
    tasks = []
    for _, mine in answers.groupby("task", sort=False):
        clusters = mine.drop_duplicates("item").set_index("item")["cluster"].sort_index()
        table = mine.pivot(index=["arm", "run"], columns="item", values="ok")[clusters.index]
        ours, theirs = (table.loc[arm] for arm in ARMS)
        runs = {"treatment_runs": list(ours.index), "control_runs": list(theirs.index)}
        tasks.append(TaskOutcomes(ours.to_numpy(), theirs.to_numpy(), clusters.to_numpy(dtype=str), **runs))
    fixed = [arm for arm in ARMS if set(answers.loc[answers["arm"] == arm, "run"]) == {GIVEN}]
    return crossed_macro(tasks, fixed=fixed)
