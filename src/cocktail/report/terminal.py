"""Verdicts in a terminal: the headline of every claim, or every row of one."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cocktail.claims.cells import ALL_CELLS
from cocktail.claims.draft import MACRO
from cocktail.claims.rows import ClaimVerdicts, VerdictRow, Verdicts
from cocktail.config import evaluated_tasks
from cocktail.errors import RecordError, near
from cocktail.report.table import p_text
from cocktail.report.verdicts import effect_text

COLOURS = {"supported": "green", "contradicted": "red", "not tested": "dim"}
WHOLE = (MACRO, ALL_CELLS)
LOG_WIDTH = 140  # where no terminal says how wide it is
WIDE = 110  # characters: a narrower terminal does without adjusted p and n
VERDICT, EFFECT, P, SIZE = 14, 22, 6, 15  # characters of a column that is not folded


def print_verdicts(verdicts: Verdicts, console: Console, *, claim: str = "") -> None:
    """Print what a study found.

    Args:
        claim: id or number of the claims whose every row is printed; "": the headlines of all.

    Raises:
        RecordError: the study has no such claim.
    """
    found = [one for one in verdicts.claims if claim in ("", one.id, str(one.number))]
    if claim and not found:
        known = [one.id for one in verdicts.claims]
        raise RecordError(
            f"study {verdicts.study} has no claim {claim!r}{near(claim, known)}", fix="cocktail show"
        )
    wide = console.width >= WIDE
    console.print(Text(f"Study {verdicts.study}. {verdicts.standing}", style="bold"))
    if not claim:
        rows = [(_title(one, row), row) for one in found for row in one.headlines()]
        console.print(_table("claim", rows, wide=wide))
        units = "Effects in points" + ("; n: items / clusters / seeds" if wide else "")
        console.print(Text(f"{units}. {verdicts.note} Every row of one: --claim ID or number"))
        return
    for one in found:
        console.print(Text(f"\n{one.number}. {one.title} ({one.id})\n{one.statement}"))
        rows = [(f"{row.on}, {row.reading}, {row.model}", row) for row in one.verdicts]
        console.print(_table("on", rows, wide=wide))
        footnote = f"Margin {one.margin:g} points. Contradicted by: {one.contradicted_by} {one.caveat}"
        console.print(Text(footnote.strip()))


def tasks_told(verdicts: Verdicts) -> list[str]:
    """Return the tasks that verdicts have rows about."""
    known = set(evaluated_tasks())
    rows = (row for one in verdicts.claims for row in one.verdicts)
    return list(dict.fromkeys(row.scope for row in rows if row.scope in known))


def print_task(verdicts: Verdicts, console: Console, *, task: str) -> None:
    """Print what a study found of one task, what was tested first; answers are read strictly.

    Raises:
        RecordError: no row is about such a task.
    """
    if task not in (known := tasks_told(verdicts)):
        raise RecordError(
            f"no claim is about task {task!r}{near(task, known)}",
            where=f"study {verdicts.study}",
            fix="of another study: dvc exp run -S study=NAME, or --study RECORD",
        )
    rows = [(f"{one.number}. {one.title}{_against(row)}", row) for one, row in verdicts.of_task(task)]
    models = len({row.model for _, row in rows}) > 1
    rows = [(f"{title} ({row.model})" if models else title, row) for title, row in rows]
    wide = console.width >= WIDE
    console.print(Text(f"Task {task} in study {verdicts.study}. {verdicts.standing}", style="bold"))
    console.print(_table("claim", rows, wide=wide))
    units = "Effects in points of accuracy, first arm minus second"
    console.print(Text(f"{units}{'; n: items / clusters / seeds' if wide else ''}."))


def _against(row: VerdictRow) -> str:
    return "" if row.control_model == row.model else f", against {row.control_model}"


def _title(claim: ClaimVerdicts, row: VerdictRow) -> str:
    """A claim, and on what where that is not all its tasks; of several models, of which."""
    several = len({(one.model, one.control_model) for one in claim.verdicts}) > 1
    whole = row.scope in WHOLE and row.control_model == row.model
    where = [*([] if whole else [row.on]), *([row.model] if several else [])]
    return f"{claim.number}. {claim.title}" + (f" ({', '.join(where)})" if where else "")


def _table(first: str, rows: Sequence[tuple[str, VerdictRow]], *, wide: bool) -> Table:
    """Effects in points; a text of a study is shown as it is, whatever marks it holds."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column(first, overflow="fold")
    for name, width in (
        ("verdict", VERDICT),
        ("effect", EFFECT),
        *((("adj. p", P), ("n", SIZE)) if wide else ()),
    ):
        table.add_column(name, min_width=width, no_wrap=True)
    table.add_column("why", overflow="fold")
    for name, row in rows:
        sizes = (row.n_items, row.n_clusters, row.n_seeds)
        size = "" if row.n_items is None else " / ".join("–" if one is None else str(one) for one in sizes)
        more = [p_text(row.p_adjusted), size] if wide else []
        cells = [name, row.verdict, effect_text(row), *more, row.reason]
        table.add_row(*map(Text, cells), style=COLOURS.get(row.verdict))
    return table
