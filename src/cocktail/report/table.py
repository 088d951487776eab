"""Tables of the report: on one page, in one JSON that everything else reads, and as LaTeX and CSV."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cocktail.errors import RecordError, near
from cocktail.files.records import read_json, write_json, write_text
from cocktail.files.text import pipe_table

TABLES = "tables.json"
MISSING = "–"
_OWN_LINK = re.compile(r"\[[\w.-]+\]\([\w-][\w./-]*\)")  # to a file of the repository: ours
_ACTS = re.compile(r"\||(?<=\])[(\[:]|<(?=[A-Za-z/!?])")  # opens a cell, a link or an element
_LATEX = str.maketrans(
    {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "–": "--"}
    | {mark: f"\\{mark}" for mark in "&%$#_{}"}
)
_SIGNED = re.compile(r"[+-][\d.,]+%?( \[[^\]]*\])?")


@dataclass(frozen=True)
class Table:
    """A table of the report.

    Attributes:
        name: by which it is found, and a file name without ending where it is exported.
        title: one line.
        note: what the reader must know: study, data, seeds, unit.
        frame: the rows; numbers keep their digits in JSON and are rounded to ``digits`` where they are shown.
        hidden: columns that are not shown, such as run ids.
        digits: decimals of shown numbers.
    """

    name: str
    title: str
    note: str
    frame: pd.DataFrame
    hidden: tuple[str, ...] = ()
    digits: int = 1

    def shown(self) -> pd.DataFrame:
        """Return the shown columns as text."""
        kept = self.frame.drop(columns=list(self.hidden))
        return kept.map(lambda value: cell_text(value, digits=self.digits))


def cell_text(value: Any, *, digits: int) -> str:
    """Return a value as the tables show it: a dash for nothing, lists joined, floats rounded."""
    if isinstance(value, list):
        return " ".join(str(one) for one in value) or MISSING
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    if isinstance(value, float):
        return f"{value:.{digits}f}".replace("-", "−")
    return str(value)


def p_text(value: float | None, *, missing: str = "") -> str:
    """Return a p-value as tables and page show it."""
    if value is None:
        return missing
    return f"{value:.3f}" if value >= 0.001 else "<0.001"


def to_markdown(table: Table) -> str:
    """Return the table with its title and note."""
    shown = table.shown()
    lines = pipe_table(list(shown.columns), shown.to_numpy().tolist(), cell=markdown_cell)
    return "\n".join([f"**{table.title}**", "", table.note, "", *lines, ""])


def markdown_cell(text: str) -> str:
    """Return a cell that shows ``text`` and does nothing else."""
    text = one_line(text)
    return text if _OWN_LINK.fullmatch(text) else _ACTS.sub(lambda mark: f"\\{mark[0]}", text)


def write_tables(folder: Path, tables: Sequence[Table]) -> None:
    """Write all tables in their order: ``README.md``, which opens with the folder, and ``tables.json``."""
    write_text(folder / "README.md", "\n".join(map(to_markdown, tables)))
    write_json(folder / TABLES, [_as_record(table) for table in tables])


def read_tables(folder: Path) -> dict[str, Table]:
    """Return the tables of a folder by name, in their order; none where it has none."""
    path = folder / TABLES
    return {one["name"]: _from_record(one) for one in read_json(path)} if path.is_file() else {}


def named_table(folder: Path, name: str) -> Table:
    """Return one table of a folder.

    Raises:
        RecordError: there is none of this name.
    """
    tables = read_tables(folder)
    if name not in tables:
        raise RecordError(f"no table {name!r}{near(name, tables)}", where=str(folder))
    return tables[name]


def _as_record(table: Table) -> dict[str, Any]:
    """The table as JSON has it; what is missing is null."""
    rows = table.frame.astype(object).where(table.frame.notna(), None).to_dict("split")["data"]
    facts = {"name": table.name, "title": table.title, "note": table.note, "digits": table.digits}
    return {**facts, "hidden": list(table.hidden), "columns": list(table.frame.columns), "rows": rows}


def _from_record(record: Mapping[str, Any]) -> Table:
    frame = pd.DataFrame(record["rows"], columns=record["columns"], dtype=object)
    hidden = tuple(record["hidden"])
    return Table(record["name"], record["title"], record["note"], frame, hidden, record["digits"])


def one_line(text: str) -> str:
    """Return a text without line breaks, also at its end: one would end the row that it stands in."""
    return " ".join(text.splitlines())


def export_tables(tables: Path, out: Path) -> list[Path]:
    """Write ``<name>.tex`` and ``<name>.csv`` of every table of a folder; return their paths.

    Raises:
        RecordError: there are no tables.
    """
    found = read_tables(tables)
    if not found:
        raise RecordError("no tables here", where=str(tables), fix="dvc repro report")
    return [path for table in found.values() for path in _files(out, table)]


def _files(out: Path, table: Table) -> Iterable[Path]:
    csv = table.frame.map(csv_cell).to_csv(index=False, lineterminator="\n")
    for ending, text in (("tex", to_latex(table)), ("csv", csv)):
        yield write_text(out / f"{table.name}.{ending}", text)


def csv_cell(value: Any) -> Any:
    """Return a value of a CSV file; a text that a spreadsheet would compute is made one that it shows."""
    if isinstance(value, list):
        value = " ".join(map(str, value))
    if not isinstance(value, str) or not value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return value
    return value if _SIGNED.fullmatch(value) else f"'{value}"


def to_latex(table: Table) -> str:
    """Return a ``table`` environment that needs the package booktabs."""
    shown = table.shown()
    lines = [_latex_row(row) for row in shown.to_numpy().tolist()]
    header = " & ".join(_escaped(name) for name in shown.columns) + r" \\"
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_escaped(table.title)}. {_escaped(table.note)}}}",
            rf"\label{{tab:{table.name}}}",
            rf"\begin{{tabular}}{{{'l' * len(shown.columns)}}}",
            r"\toprule",
            header,
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _latex_row(cells: list[str]) -> str:
    r"""A row; ``[`` at its beginning would be read as an option of the ``\\`` before it."""
    row = " & ".join(_escaped(cell) for cell in cells) + r" \\"
    return "{[}" + row[1:] if row.startswith("[") else row


def _escaped(text: str) -> str:
    return one_line(text).translate(_LATEX)
