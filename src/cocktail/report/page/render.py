"""The page as one HTML file that needs nothing else: styles and figures stand in it, there is no script."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cocktail.config import Params
from cocktail.files.records import write_text
from cocktail.report.page.answer import answer, plainly
from cocktail.report.page.claims import NOT_TESTED
from cocktail.report.page.content import Inputs, Page, gather
from cocktail.report.page.figures import breakable, slug
from cocktail.report.page.forest import claim_forest, effect_text, headline_forest, row_label
from cocktail.report.page.studies import side_by_side
from cocktail.report.page.traces import cell_trace
from cocktail.report.table import MISSING, p_text
from cocktail.report.verdicts import RULE

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


def write_page(inputs: Inputs, out: Path, *, params: Params) -> None:
    """Write the page to ``out``; equal inputs give equal bytes."""
    write_text(out, render_page(gather(inputs, params=params)))


def render_page(page: Page) -> str:
    """Return the page as HTML; every text is escaped, only the figures and our own marks are not."""
    environment = make_environment()
    environment.globals |= {
        "run_ref": lambda model, run: _run_ref(page, model, run),
        "cell_trace": lambda *where: cell_trace(page.traces, *where),
        "claim_forest": claim_forest,
        "headline_forest": headline_forest,
        "row_label": row_label,
        "effect_text": effect_text,
        "side_by_side": side_by_side,
        "answer": answer,
        "plainly": plainly,
        "untested_heads": lambda claims: sum(
            row.verdict == NOT_TESTED for claim in claims.claims for row in claim.headlines()
        ),
        "slug": slug,
        "glyphs": GLYPHS,
        "fold": FOLD,
        "run_columns": RUN_COLUMNS,
        "rule": RULE,
    }
    p_value = partial(p_text, missing=MISSING)
    environment.filters |= {"breakable": breakable, "points": _points, "p_value": p_value, "counts": _counts}
    return environment.get_template("report.html.j2").render(page=page, params=page.params)


def make_environment() -> Environment:
    """Return the templates of this package: all is escaped, an unknown name is an error."""
    return Environment(
        loader=PackageLoader("cocktail.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _run_ref(page: Page, model: str, run: str) -> Markup:
    """A link to the run's line in the table of runs, or its bare id where that has no such line."""
    if (model, run) not in page.runs:
        return breakable(run)
    return Markup('<a href="#{}">{}</a>').format(slug("run", model, run), breakable(run))


def _points(value: float | None) -> str:
    return MISSING if value is None else f"{value:.1f}".replace("-", "−")


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())
