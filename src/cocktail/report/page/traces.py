"""Where a cell comes from: the runs that it compares and the test items that they answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cocktail.report.page.tables import Row, ShownTable
from cocktail.report.results import ACROSS, ARMS, reported_arms

Key = tuple[str, str, str, str]  # table, model, task, column


@dataclass(frozen=True)
class Trace:
    """The runs of a cell, and against which runs they are held; counts of test items and their clusters."""

    runs: tuple[str, ...]
    against: tuple[str, ...]
    num_items: int
    num_clusters: int

    def __str__(self) -> str:
        versus = f" minus {', '.join(self.against)}" if self.against else ""
        return f"{', '.join(self.runs)}{versus}; {self.num_items} items, {self.num_clusters} clusters"


def read_traces(comparison: Mapping[str, Any], effects: Mapping[str, Any]) -> dict[Key, Trace]:
    """Return the trace of every cell whose row alone does not tell its runs."""
    sizes = {(row["model"], row["task"]): (row["n_items"], row["n_clusters"]) for row in comparison["arms"]}
    traces: dict[Key, Trace] = {
        ("main", row["model"], row["task"], ARMS[row["arm"]]): Trace(
            tuple(row["runs"]), (), row["n_items"], row["n_clusters"]
        )
        for row in reported_arms(pd.DataFrame(comparison["arms"])).to_dict("records")
        if row["arm"] in ARMS
    }
    for table, across in ACROSS.items():
        for row in comparison[table]:
            if row["delta"] is not None:
                key = (table, row["model"], row["task"], row[across])
                size = sizes[row["model"], row["task"]]
                traces[key] = Trace((row["run"],), (row["against"],), *size)
    for row in effects["rows"]:
        if row["reading"] == "strict":
            traces["contrasts", row["model"], row["target"], row["contrast"]] = Trace(
                tuple(row["treatment_runs"]), tuple(row["control_runs"]), row["n_items"], row["n_clusters"]
            )
    return traces


def cell_trace(traces: Mapping[Key, Trace], table: ShownTable, row: Row, column: str) -> Trace | None:
    """Return the trace of one shown cell, where it has one."""
    task = table.cell(row, "task") or table.cell(row, "target")
    return traces.get((table.name, table.model_of(row), task, column))
