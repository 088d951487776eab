"""A plan as text, for the terminal and for a file: the token budget first, every run last."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table as RichTable

from cocktail.errors import DataError
from cocktail.report.provenance import data_note, data_table, mixtures_table
from cocktail.report.table import Table, to_markdown
from cocktail.studies.planning.notes import assumptions, checks
from cocktail.studies.planning.study import Plan
from cocktail.studies.planning.tables import budget_line, run_list, tables

WIDTH = 100


def plan_markdown(plan: Plan) -> str:
    """Return the whole plan as Markdown; equal plans give equal text on every machine."""
    parts = [
        f"# Plan of study {plan.params.study.name}",
        f"`cocktail plan {plan.command}`",
        budget_line(plan),
    ]
    parts += [to_markdown(table).strip() for table in tables(plan)]
    for title, bullets in _notes(plan):
        parts += [f"**{title}**", bullets]
    return "\n\n".join([*parts, to_markdown(run_list(plan))])


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


def print_plan(plan: Plan, console: Console) -> None:
    """Print the whole plan; the list of runs, which is long, comes last."""
    console.print(budget_line(plan), style="bold")
    for table in tables(plan):
        console.print(_rich(table))
    for title, bullets in _notes(plan):
        console.print(f"\n{title}", style="bold")
        console.print(bullets, highlight=False)
    console.print(_rich(run_list(plan)))


def _rich(table: Table) -> RichTable:
    shown = table.shown()
    found = RichTable(
        title=f"\n{table.title}",
        caption=table.note,
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
        title_justify="left",
        caption_justify="left",
    )
    for name in shown.columns:
        longest = max(map(len, shown[name]))  # headers may fold, cells may not
        left = name in ("model", "stage", "kind", "source", "run")
        found.add_column(name, justify="left" if left else "right", min_width=longest, overflow="fold")
    for row in shown.to_numpy().tolist():
        found.add_row(*row)
    return found


def _notes(plan: Plan) -> Iterator[tuple[str, str]]:
    for title, lines in (("Before a download", checks(plan)), ("Assumptions", assumptions(plan))):
        yield title, "\n".join(f"- {line}" for line in lines)
