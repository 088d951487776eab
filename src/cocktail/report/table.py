"""One table in Markdown, LaTeX and CSV from the same rows."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cocktail.files.records import fresh_file

MISSING = "–"
_OWN_LINK = re.compile(r"\[[\w.-]+\]\([\w-][\w./-]*\)")  # to a file of the repository: ours
_ACTS = re.compile(r"\||(?<=\])[(\[:]|<(?=[A-Za-z/!?])")  # opens a cell, a link or an element
_SIGNED = re.compile(r"[+-][\d.,]+%?( \[[^\]]*\])?")


@dataclass(frozen=True)
class Table:
    """A table of the report.

    Attributes:
        name: file name without ending.
        title: one line.
        note: what the reader must know: study, data, seeds, unit.
        frame: the rows; numbers keep their digits in CSV and are rounded to ``digits`` where they are shown.
        hidden: columns that stand in CSV only, such as run ids.
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


def to_markdown(table: Table) -> str:
    """Return the table with its title and note."""
    shown = table.shown()
    rows = [list(shown.columns), ["---"] * len(shown.columns), *shown.to_numpy().tolist()]
    lines = ["| " + " | ".join(map(markdown_cell, row)) + " |" for row in rows]
    return "\n".join([f"**{table.title}**", "", table.note, "", *lines, ""])


def markdown_cell(text: str) -> str:
    """Return a cell that shows ``text`` and does nothing else; see :func:`shown_in_markdown`."""
    text = _one_line(text)
    return text if _OWN_LINK.fullmatch(text) else _ACTS.sub(lambda mark: f"\\{mark[0]}", text)


def shown_in_markdown(cell: str) -> str:
    """Return what a cell of :func:`markdown_cell` shows."""
    return re.sub(r"\\([|(\[:<])", r"\1", cell)


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


def write_table_files(folder: Path, table: Table) -> None:
    """Write ``<name>.md``, ``.tex`` and ``.csv``."""
    texts = {
        "md": to_markdown(table),
        "tex": to_latex(table),
        "csv": table.frame.map(csv_cell).to_csv(index=False, lineterminator="\n"),
    }
    for ending, text in texts.items():
        with fresh_file(folder / f"{table.name}.{ending}") as draft:
            draft.write_text(text, encoding="utf-8")


def _one_line(text: str) -> str:
    return " ".join(text.splitlines()) if len(text.splitlines()) > 1 else text


def _latex_row(cells: list[str]) -> str:
    r"""A row; ``[`` at its beginning would be read as an option of the ``\\`` before it."""
    row = " & ".join(_escaped(cell) for cell in cells) + r" \\"
    return "{[}" + row[1:] if row.startswith("[") else row


def _escaped(text: str) -> str:
    special = {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "−": "$-$",
        "–": "--",
    }
    special |= {mark: f"\\{mark}" for mark in "&%$#_{}"}
    return "".join(special.get(character, character) for character in _one_line(text))
