"""The result tables, from comparison.json and effects.json alone. Shares become points (0 to 100)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from cocktail.files.text import with_interval
from cocktail.report.table import Table, p_text

ARMS = {
    "base": "base",
    "single": "single",
    "chosen": "chosen mixture",
    "all": "all",
    "steps_as_chosen": "single, steps matched",
    "size_as_chosen": "single, size matched",
}
CONTRASTS = (
    "chosen, all: the mixture chosen on dev, and all sources; single: the task alone as the paper trains it; "
    "steps, size: the task alone with the mixture's optimiser steps, or with filler rows up to its size. "
    "floor, ceiling: the single task is no better than a blind guess, or perfect; then nothing is tested."
)
AGREEMENT = (
    "All explored and confirmed runs that were trained on the task. rows: test rows with a label by label "
    "decoding; INVALID, valid: of these, by the free answer read strictly; agree: valid rows where both "
    "name one label; share: of the valid rows. lowest runs: the lowest first, with the share of the first."
)
SHARES = [
    "guess", "accuracy_strict", "low", "high", "seed_sd", "accuracy_lenient", "macro_f1", "weighted_f1",
    "knowledge_accuracy", "invalid_strict_share", "invalid_lenient_share", "empty_share", "limit_share",
]  # fmt: skip


ACROSS = {"transfer": "partner", "leave_one_out": "left_out"}  # table of task x source -> its sources' column
CELLS = {  # and its title
    "transfer": "Pairwise transfer: accuracy of the pair minus the single task (points)",
    "leave_one_out": "Leave one out: accuracy with all sources minus without one (points)",
}


def arms_frame(comparison: Mapping[str, Any]) -> pd.DataFrame:
    """Return the rows of the compared arms with shares in points."""
    frame = pd.DataFrame(comparison["arms"])
    frame[SHARES] = (frame[SHARES].astype(float) * 100).round(4)
    return frame


def reported_arms(frame: pd.DataFrame) -> pd.DataFrame:
    """Return of each task the confirmed arms where there are any, else the explored; the base is explored."""
    confirmed = frame["stage"] == "confirm"
    of_task = confirmed.groupby([frame["model"], frame["task"]]).transform("any")
    return frame[(frame["arm"] == "base") | (confirmed == of_task)]


def cell_frame(comparison: Mapping[str, Any], key: str) -> pd.DataFrame:
    """Return the differences of a table task x source, one a row."""
    return pd.DataFrame(comparison[key], columns=["model", "task", ACROSS[key], "delta"])


def main_table(arms: pd.DataFrame, *, note: str) -> Table:
    """Base, single, chosen mixture, all and matched controls per task; ``arms``: the reported ones."""
    rows = []
    for (model, task), part in arms.groupby(["model", "task"], sort=False):
        stage = "confirm" if "confirm" in set(part["stage"]) else "explore"
        mine = {row["arm"]: row for row in part.to_dict("records")}
        any_row = mine["base"]
        rows.append(
            {
                "model": model,
                "task": task,
                "seeds": f"{max(row['n_seeds'] for row in mine.values())} ({stage})",
                "n": any_row["n_items"],
                "guess": any_row["guess"],
                **{title: _mean_sd(mine.get(arm)) for arm, title in ARMS.items()},
                "flag": next((row["flag"] for row in mine.values() if row["flag"]), ""),
                "chosen run": mine["chosen"]["mixture"] if "chosen" in mine else "",
            }
        )
    title = "Accuracy on test (strict, points): mean ± standard deviation over seeds"
    return Table(name="main", title=title, note=note, frame=pd.DataFrame(rows))


def scores_table(comparison: Mapping[str, Any], *, note: str) -> Table:
    """Every compared arm: strict and lenient accuracy, F1, knowledge, INVALID, answers without end."""
    frame = arms_frame(comparison).drop(columns=["scope", "seed_sd", "flag"])
    order = ["model", "task", "stage", "arm", "n_items", "n_clusters", "n_seeds", "guess", "accuracy_strict"]
    order += ["low", "high"]
    order += [name for name in frame.columns if name not in order]
    title = "Strict and lenient scores of every compared arm (points)"
    return Table(name="scores", title=title, note=note, frame=frame[order], hidden=("runs",))


def base_table(comparison: Mapping[str, Any], *, shots: int, note: str) -> Table:
    """What untuned models give: strict, lenient, decoded (label decoding), INVALID, without end.

    shots: as many solved train examples stood before each question.
    """
    frame = arms_frame(comparison)
    frame = frame[frame["arm"].isin(["base", "base_shots"])]
    frame = frame.assign(shots=frame["arm"].map({"base": 0, "base_shots": shots}))
    names = {
        "n_items": "n", "guess": "guess", "accuracy_strict": "strict", "accuracy_lenient": "lenient",
        "knowledge_accuracy": "decoded", "invalid_strict_share": "INVALID strict",
        "invalid_lenient_share": "INVALID lenient", "empty_share": "empty", "limit_share": "at length limit",
    }  # fmt: skip
    frame = frame[["model", "task", "shots", *names]].rename(columns=names)
    return Table(name="base", title="Untuned models on test (points)", note=note, frame=frame)


def effects_table(effects: Mapping[str, Any], *, note: str) -> Table:
    """Confirmed differences with crossed intervals, in points."""
    points = ["estimate", "low", "high"]
    columns = ["model", "target", "reading", "contrast", "chosen", *points, "p", "flag", "df"]
    columns += ["n_items", "n_clusters", "n_seeds", "scope", "seed_share", "treatment_runs", "control_runs"]
    frame = pd.DataFrame([{name: row[name] for name in columns} for row in effects["rows"]], columns=columns)
    frame = frame.assign(**{name: (frame[name].astype(float) * 100).round(4) for name in points})
    frame["p"] = [p_text(p) for p in frame["p"]]
    hidden = ("df", "seed_share", "treatment_runs", "control_runs")
    title = "Confirmed differences on test (points): crossed intervals over seeds and clusters of items"
    return Table(name="effects", title=title, note=note, frame=frame, hidden=hidden)


def contrasts_table(effects: Mapping[str, Any], *, note: str) -> Table:
    """The strict differences at a glance: one row a target, one column a contrast."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for row in effects["rows"]:
        if row["reading"] == "strict":
            shown = with_interval(*(100 * row[name] for name in ("estimate", "low", "high")))
            where = {name: row[name] for name in ("model", "target", "chosen", "flag")}
            rows.setdefault((row["model"], row["target"]), where)[row["contrast"]] = shown
    frame = pd.DataFrame(list(rows.values()), columns=None if rows else ["model", "target", "chosen", "flag"])
    level = "".join(f"{row['confidence']:.0%} " for row in effects["rows"][:1])
    title = (
        f"What mixing changes on test (strict, points), with {level}crossed intervals over seeds and items"
    )
    return Table(name="contrasts", title=title, note=f"{note} {CONTRASTS}", frame=frame)


def cell_table(comparison: Mapping[str, Any], key: str, *, note: str) -> Table:
    """A table task x source of differences: ``key`` is transfer or leave_one_out."""
    frame, across = cell_frame(comparison, key), ACROSS[key]
    wide = frame.pivot(index=["model", "task"], columns=across, values="delta")
    wide = wide.reindex(index=pd.MultiIndex.from_frame(frame[["model", "task"]].drop_duplicates()))
    wide = wide[list(dict.fromkeys(frame[across]))].astype(float)
    return Table(name=key, title=CELLS[key], note=note, frame=wide.reset_index().rename_axis(columns=None))


def agreement_table(comparison: Mapping[str, Any], *, note: str) -> Table:
    """Where the free answer and label decoding name another label."""
    columns = ["model", "task", "runs", "rows", "invalid", "valid", "agree", "share", "flag"]
    columns += ["lowest_share", "lowest_runs"]
    frame = pd.DataFrame(comparison["label_agreement"], columns=columns).rename(
        columns={"invalid": "INVALID", "lowest_share": "lowest share", "lowest_runs": "lowest runs"}
    )
    title = "Label decoding against the free answer on test, in runs trained on the task (points)"
    return Table(name="label_agreement", title=title, note=f"{note} {AGREEMENT}", frame=frame, digits=2)


def _mean_sd(row: Mapping[Any, Any] | None) -> str | float | None:
    """Mean, and the standard deviation over seeds where there are several."""
    if row is None:
        return None
    mean, sd = float(row["accuracy_strict"]), float(row["seed_sd"])
    return mean if math.isnan(sd) else f"{mean:.1f} ± {sd:.1f}"
