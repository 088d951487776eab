"""The tables of a plan, the line at its head, and tables of what its first stages made."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd

from cocktail.errors import DataError
from cocktail.report.provenance import data_note, data_table, mixtures_table
from cocktail.report.table import Table, to_markdown
from cocktail.studies.planning.study import GRID, Plan

KIND_ORDER = ("base", "shots", "single", "pair", "without", "chosen", "all", "tuned", "steps", "size")


def budget_line(plan: Plan) -> str:
    """Return the head of the plan: T, and what the stages cost in it, for each tuned model."""
    grid = sum(run.kind in GRID for run in plan.runs if run.stage == "explore")
    parts = [f"grid {plan.share(*GRID):.1f} T ({grid} runs)"]
    if tuned := sum(run.kind == "tuned" and run.stage == "explore" for run in plan.runs):
        parts.append(f"tuned {plan.share('tuned'):.1f} T ({tuned})")
    if confirmed := sum(run.seeds for run in plan.runs if run.stage == "confirm"):
        parts.append(f"confirm ≤ {plan.share(stage='confirm'):.1f} T ({confirmed})")
    return f"Token budget a model: T = {_short(plan.once)}; {', '.join(parts)}"


def tables(plan: Plan) -> list[Table]:
    """Return the tables of the plan, most condensed first."""
    return [_hours(plan), _disk(plan), _kinds(plan), _sources(plan)]


def _hours(plan: Plan) -> Table:
    rows = [
        {
            "model": cost.model,
            "size": _short(cost.parameters),
            "runs": cost.runs,
            "M tokens": f"{cost.tokens / 1e6:,.1f}",
            "steps": f"{cost.steps:,}",
            "answers": f"{cost.answers:,}",
            "device": cost.device,
            "train h": cost.training_hours,
            "answer h": cost.answering_hours,
            "all h": cost.hours,
        }
        for cost in plan.costs
    ]
    ours: dict[str, float] = {}
    for cost in plan.costs:
        if cost.hours is not None:
            ours[cost.device] = ours.get(cost.device, 0) + cost.hours
    totals = ", ".join(f"{hours:,.1f} {device} hours" for device, hours in ours.items())
    note = f"All models: {sum(cost.runs for cost in plan.costs)} runs, {totals or 'no hours of ours'}."
    return Table(name="hours", title="What each model costs", note=note, frame=pd.DataFrame(rows))


def _disk(plan: Plan) -> Table:
    rows = [
        {
            "model": cost.model,
            "base, twice": cost.base_bytes / 1e9,
            "weights kept": cost.kept_bytes / 1e9,
            "checkpoints": cost.checkpoint_bytes / 1e9,
            "answers": cost.answer_bytes / 1e9,
            "all": cost.disk_bytes / 1e9,
        }
        for cost in plan.costs
    ]
    total: dict[str, Any] = {name: sum(row[name] for row in rows) for name in list(rows[0])[1:]}
    note = (
        f"Gigabytes. execute.keep_weights: {plan.params.execute.keep_weights}. The base is in its output and "
        "in DVC's cache, answers in the run store, too; checkpoints are of one run in flight."
    )
    frame = pd.DataFrame([*rows, {"model": "all", **total}])
    return Table(name="disk", title="Disk", note=note, frame=frame, digits=2)


def _kinds(plan: Plan) -> Table:
    ordered = sorted(plan.runs, key=lambda run: (run.stage != "explore", KIND_ORDER.index(run.kind)))
    rows = []
    for (stage, kind), group in groupby(ordered, key=lambda run: (run.stage, run.kind)):
        runs = list(group)
        tokens = sum(run.tokens * run.seeds for run in runs)
        rows.append(
            {
                "stage": stage,
                "kind": kind,
                "runs": sum(run.seeds for run in runs),
                "rows": f"{sum(run.rows * run.seeds for run in runs):,}",
                "M tokens": _millions(tokens),
                "× T": tokens / plan.once,
                "steps": f"{sum(run.steps * run.seeds for run in runs):,}",
            }
        )
    note = "rows: of one pass, summed over runs; tokens and steps: of all passes and seeds."
    return Table(name="kinds", title="Runs of each tuned model by kind", note=note, frame=pd.DataFrame(rows))


def _sources(plan: Plan) -> Table:
    rows = []
    for name, source in plan.rows.items():
        asked = plan.asked.get(name)
        got = None if asked is None else min(asked, source.train)
        rows.append(
            {
                "source": name,
                "raw": f"{source.raw:,}",
                "train": f"{source.train:,}",
                "asked": "" if asked is None else f"{asked:,}",
                "got": "" if got is None else f"{got:,}",
                "evaluated": f"{source.dev + source.test:,}" if name in plan.params.study.evaluations else "",
                "chars": source.characters,
                "tokens": source.tokens,
                "M tokens": "" if got is None else _millions(got * source.tokens),
            }
        )
    fetch = plan.params.fetch
    own = {name: source.backend for name, source in fetch.sources.items() if source.backend}
    others = "".join(f", of {name} from {backend}" for name, backend in own.items())
    note = (
        f"Data from backend {fetch.backend}{others}. raw: rows of the train files; train: left for "
        "mixtures; evaluated: dev and test rows; chars, tokens: of a mean row (instruction, input, answer); "
        "M tokens: of T."
    )
    return Table(name="sources", title="Sources", note=note, frame=pd.DataFrame(rows))


def run_list(plan: Plan) -> Table:
    """Return every run of a tuned model."""
    rows = [
        {
            "stage": run.stage,
            "run": run.id,
            "seeds": run.seeds,
            "rows": f"{run.rows:,}",
            "short": f"{run.short:,}" if run.short else "",
            "passes": run.passes,
            "M tokens": _millions(run.tokens),
            "steps": f"{run.steps:,}",
        }
        for run in plan.runs
    ]
    note = "rows, passes, tokens and steps: of one training; short: rows asked for that are not there."
    return Table(name="runs", title="Every run of a tuned model", note=note, frame=pd.DataFrame(rows))


def _short(number: float) -> str:
    """A large number in three digits or so; nothing for 0, which is a size that nobody here knows."""
    units = ((1e9, "B"), (1e6, "M"), (1e3, "k"))
    return next((f"{number / unit:.2f} {name}" for unit, name in units if number >= unit), "")


def _millions(tokens: float) -> str:
    return f"{tokens / 1e6:,.2f}"


def made_tables(plan: Plan, root: Path) -> dict[str, str]:
    """Return what the stages up to ``mix`` made below ``root``, as Markdown by name: data card, mixtures.

    Raises:
        DataError: the prepared data are not of this configuration.
    """
    if not plan.counted:
        raise DataError(
            "the prepared data are not of this study",
            where=str(root / "data/prepared"),
            fix=f"cocktail params {plan.command} && dvc repro mix",
        )
    note, study = data_note(plan.params), f"{plan.params.study.name}_{plan.params.fetch.backend}"
    made = (
        data_table(root / "data/raw", root / "data/prepared", note=note),
        mixtures_table(root / "artifacts/mixtures", note=note),
    )
    return {f"{study}_{table.name}.md": to_markdown(table) for table in made}
