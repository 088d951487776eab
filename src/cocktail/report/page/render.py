"""The page as one HTML file that needs nothing else: styles and figures stand in it, there is no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from markupsafe import Markup

from cocktail.claims.rows import Said, VerdictRow
from cocktail.config import Params
from cocktail.files.records import write_text
from cocktail.report.markup import breakable, slug, templates
from cocktail.report.page.content import Page, gather
from cocktail.report.page.forest import claim_forest, row_label, rows_forest
from cocktail.report.page.studies import side_by_side
from cocktail.report.page.tables import cell_trace
from cocktail.report.table import MISSING, cell_text, p_text
from cocktail.report.verdicts import RULE, effect_text

SENTENCES = {
    "supported": "It holds here: {effect} points.",
    "contradicted": "The opposite was found: {effect} points.",
    "negligible": "There is a difference, too small to matter: {effect} points.",
    "not supported": "There is no difference that matters: {effect} points.",
    "under-powered": "This study cannot tell: {effect} points{seen}.",
    "not tested": "It was not tested here{why}.",
}
TOLD = {  # of the study: which claims held, and which did not, before what is open
    "supported": "Held",
    "contradicted": "The opposite was found for",
    "negligible": "Too small to matter",
    "not supported": "No difference that matters",
    "under-powered": "Undecided",
}
GLYPHS = {
    "supported": "▲",
    "contradicted": "▼",
    "negligible": "□",
    "not supported": "■",
    "under-powered": "◇",
    "not tested": "○",
}
RUN_COLUMNS = ("run", "chosen run", "chosen", "chosen_on_dev", "chosen_on_test", "its pick", "single")
FOLD = 12  # longer tables are folded


def write_page(reports: Path, out: Path, *, configured: Path, params: Params) -> None:
    """Write the page to ``out``; equal inputs, those of :func:`gather`, give equal bytes."""
    write_text(out, render_page(gather(reports, configured=configured, params=params)))


def render_page(page: Page) -> str:
    """Return the page as HTML; every text is escaped, only the figures and our own marks are not."""
    environment = templates()
    environment.globals |= {
        "run_ref": lambda model, run: _run_ref(page, model, run),
        "cell_trace": lambda *where: cell_trace(page.traces, *where),
        "claim_forest": claim_forest,
        "rows_forest": rows_forest,
        "row_label": row_label,
        "effect_text": partial(effect_text, missing=MISSING),
        "side_by_side": side_by_side,
        "answer": answer,
        "plainly": plainly,
        "slug": slug,
        "glyphs": GLYPHS,
        "fold": FOLD,
        "run_columns": RUN_COLUMNS,
        "rule": RULE,
    }
    p_value = partial(p_text, missing=MISSING)
    points = partial(cell_text, digits=1)
    environment.filters |= {"breakable": breakable, "points": points, "p_value": p_value, "counts": _counts}
    return environment.get_template("report.html.j2").render(page=page, params=page.params)


def plainly(row: VerdictRow) -> str:
    """Return what a row says, in a sentence."""
    seen = "" if row.detectable is None else f"; about {row.detectable:.0f} would have been seen"
    why = f": {row.reason}" if row.reason else ""
    return SENTENCES[row.verdict].format(effect=effect_text(row), seen=seen, why=why)


def answer(rows: Sequence[Said], what: str) -> str:
    """Return what came out by rows, which are ``what``: effects with their claims, untested ones counted."""
    tested = [(claim, row) for claim, row in rows if row.verdict != "not tested"]
    parts = [f"{what}: {len(rows)}, of which {len(tested)} could be tested."]
    for verdict, words in TOLD.items():
        mine = [
            f"{claim.title} ({effect_text(row).split(' ')[0]})"
            for claim, row in tested
            if row.verdict == verdict
        ]
        parts += [f"{words}: {'; '.join(mine)}."] if mine else []
    return " ".join(parts)


def _run_ref(page: Page, model: str, run: str) -> Markup:
    """A link to the run's line in the table of runs, or its bare id where that has no such line."""
    if (model, run) not in page.runs:
        return breakable(run)
    return Markup('<a href="#{}">{}</a>').format(slug("run", model, run), breakable(run))


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())
