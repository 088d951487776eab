"""Documents with generated parts: what they show of results comes from files, never from typing.

The files are recorded studies, benchmarks and the recorded simulation, so a variant in the work tree changes
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cocktail.errors import RecordError
from cocktail.report.error_rates import error_rates
from cocktail.report.in_full import NONE, render_results
from cocktail.report.methods import FULL, ordered_studies
from cocktail.report.overview import RESULTS, outcome, overview
from cocktail.report.speed import speed_lines

README, METHOD = "README.md", "docs/method.md"
OUTCOME, OVERVIEW, BENCHMARKS, ERROR_RATES = "outcome", "overview", "benchmarks", "error-rates"


def render_documents(root: Path) -> dict[str, str]:
    """Return each document with generated parts as it should be, by its path in the repository.

    Raises:
        RecordError: a document lacks the marks of a block.
    """
    reports = root / "reports"
    return {
        README: render_readme((root / README).read_text(encoding="utf-8"), reports),
        METHOD: render_method((root / METHOD).read_text(encoding="utf-8"), reports),
        RESULTS: render_results(reports / "studies"),
    }


def render_readme(text: str, reports: Path) -> str:
    """Return the README with its blocks rendered from ``reports/studies`` and ``reports/benchmarks``."""
    records = [one for group in ordered_studies(reports / "studies").values() for one in group]
    full = [one for one in records if one.method == FULL]
    blocks = {
        OUTCOME: outcome(full) if full else NONE,
        OVERVIEW: overview(full) if full else NONE,
        BENCHMARKS: speed_lines(reports / "benchmarks"),
        ERROR_RATES: error_rates(reports / "simulation/simulation.json"),
    }
    return _filled(text, blocks, where=README)


def render_method(text: str, reports: Path) -> str:
    """Return docs/method.md with how often the rule errs, from ``reports/simulation``."""
    rates = error_rates(reports / "simulation/simulation.json")
    return _filled(text, {ERROR_RATES: rates}, where=METHOD)


def marks(block: str) -> tuple[str, str]:
    """Return the comments between which a block stands."""
    return f"<!-- cocktail:{block} -->", f"<!-- /cocktail:{block} -->"


def _filled(text: str, blocks: Mapping[str, str], *, where: str) -> str:
    for block, body in blocks.items():
        start, end = marks(block)
        if text.count(start) != 1 or text.count(end) != 1 or text.index(start) > text.index(end):
            raise RecordError(f"the document needs one {start} and one {end} after it", where=where)
        text = f"{text.partition(start)[0]}{start}\n\n{body}\n{end}{text.partition(end)[2]}"
    return text
