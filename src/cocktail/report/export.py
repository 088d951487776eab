"""Tables for papers and spreadsheets, from those of a study: LaTeX and CSV."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cocktail.errors import RecordError
from cocktail.files.records import write_text
from cocktail.report.table import Table, one_line, read_tables

_LATEX = str.maketrans(
    {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "–": "--"}
    | {mark: f"\\{mark}" for mark in "&%$#_{}"}
)
_SIGNED = re.compile(r"[+-][\d.,]+%?( \[[^\]]*\])?")


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
