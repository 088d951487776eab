"""The report's tables as the page shows them, and where a cell comes from.

They come with the columns that Markdown leaves out, such as run ids. A trace names the runs that a cell
compares and counts the test items that they answered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cocktail.report.results import ACROSS, ARMS, reported_arms
from cocktail.report.table import MISSING, Table, read_tables

_NUMBER = re.compile(r"[+−<]?[\d.,]+%?( ± [\d.]+)?( \[[^\]]*\])?(/[\d/.]+)?")
Key = tuple[str, str, str, str]  # table, model, task, column


@dataclass(frozen=True)
class Row:
    """One row: shown cells in the order of the columns, and by name the cells that are not shown."""

    cells: tuple[str, ...]
    more: Mapping[str, str]


@dataclass(frozen=True)
class ShownTable:
    """A table.

    Attributes:
        model: the only model of the table, lifted out of its column; empty where there are several or none.
    """

    name: str
    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    model: str = ""

    def cell(self, row: Row, column: str) -> str:
        """Return a cell, shown or not, by its column; empty where the table has no such column."""
        return dict(zip(self.columns, row.cells, strict=True)).get(column, row.more.get(column, ""))

    def model_of(self, row: Row) -> str:
        """Return the model that a row is about; empty where the table names none."""
        return self.model or self.cell(row, "model")

    @property
    def key(self) -> int:
        """The place of the column that names a row."""
        return self.columns.index("run") if "run" in self.columns else 0

    def numeric(self, place: int) -> bool:
        """Whether a column holds numbers and gaps only: it is set to the right."""
        cells = {row.cells[place] for row in self.rows} - {MISSING}
        return bool(cells) and all(_NUMBER.fullmatch(cell) for cell in cells)


def shown_tables(folder: Path) -> dict[str, ShownTable]:
    """Return the tables of a folder by name; none where the folder has none."""
    return {name: _shown(table) for name, table in sorted(read_tables(folder).items())}


def _shown(table: Table) -> ShownTable:
    shown, hidden = table.shown(), table.frame[list(table.hidden)]
    rows = tuple(
        Row(tuple(cells), {name: _text(value) for name, value in zip(table.hidden, more, strict=True)})
        for cells, more in zip(
            shown.itertuples(index=False, name=None), hidden.itertuples(index=False, name=None), strict=True
        )
    )
    return _without_one_model(ShownTable(table.name, table.title, table.note, tuple(shown.columns), rows))


def _text(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "" if value is None else str(value)


def _without_one_model(table: ShownTable) -> ShownTable:
    """One model for all rows is said once: a phone has no room for it in each."""
    models = {table.cell(row, "model") for row in table.rows}
    if "model" not in table.columns or len(models) != 1 or len(table.columns) < 3:
        return table
    place = table.columns.index("model")
    rows = tuple(Row(row.cells[:place] + row.cells[place + 1 :], row.more) for row in table.rows)
    columns = table.columns[:place] + table.columns[place + 1 :]
    return ShownTable(table.name, table.title, table.note, columns, rows, model=models.pop())


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
