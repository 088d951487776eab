"""The report's tables as they were written: nothing is computed or rounded anew for the page.

Markdown holds the title, the note and the cells as they are shown, CSV also the columns that Markdown
leaves out, such as run ids.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cocktail.errors import RecordError
from cocktail.report.table import MISSING, shown_in_markdown

_BAR = re.compile(r"(?<!\\)\|")
_NUMBER = re.compile(r"[+−<]?[\d.,]+%?( ± [\d.]+)?( \[[^\]]*\])?(/[\d/.]+)?")


@dataclass(frozen=True)
class Row:
    """One row: shown cells in the order of the columns, and by name the cells that stand in CSV only."""

    cells: tuple[str, ...]
    more: Mapping[str, str]


@dataclass(frozen=True)
class ShownTable:
    """A written table.

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
        """Return a shown cell, or a CSV-only one, by its column; empty where the table has no such column."""
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


def read_tables(folder: Path) -> dict[str, ShownTable]:
    """Return the tables of a folder by name; none where the folder is missing."""
    return {path.stem: read_shown(path) for path in sorted(folder.glob("*.md"))}


def read_shown(path: Path) -> ShownTable:
    """Read ``<name>.md`` and the CSV beside it.

    Raises:
        RecordError: the two are not the same table.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    bars = [line for line in lines if line.startswith("|")]
    text = [line for line in lines if line and not line.startswith("|")]
    with path.with_suffix(".csv").open(encoding="utf-8", newline="") as stream:
        full = list(csv.DictReader(stream))
    columns, *cells = [_cells(line) for place, line in enumerate(bars) if place != 1]  # 1: dashes
    if len(text) < 2 or len(full) != len(cells) or any(len(row) != len(columns) for row in cells):
        raise RecordError("the table in Markdown and in CSV differ", where=str(path), fix="dvc repro report")
    rows = tuple(
        Row(cells=row, more={name: value for name, value in more.items() if name not in columns})
        for row, more in zip(cells, full, strict=True)
    )
    table = ShownTable(path.stem, text[0].strip("*"), " ".join(text[1:]), columns, rows)
    return _without_one_model(table)


def _cells(line: str) -> tuple[str, ...]:
    return tuple(shown_in_markdown(cell.strip()) for cell in _BAR.split(line)[1:-1])


def _without_one_model(table: ShownTable) -> ShownTable:
    """One model for all rows is said once: a phone has no room for it in each."""
    models = {table.cell(row, "model") for row in table.rows}
    if "model" not in table.columns or len(models) != 1 or len(table.columns) < 3:
        return table
    place = table.columns.index("model")
    rows = tuple(Row(row.cells[:place] + row.cells[place + 1 :], row.more) for row in table.rows)
    columns = table.columns[:place] + table.columns[place + 1 :]
    return ShownTable(table.name, table.title, table.note, columns, rows, model=models.pop())
