"""The README's generated blocks: recorded studies and benchmarks only.

So a variant in the work tree changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from cocktail.errors import RecordError
from cocktail.files.records import read_json
from cocktail.report.benchmarks import render_benchmarks
from cocktail.report.methods import FULL, Record, methods_block, read_studies
from cocktail.report.overview import overview
from cocktail.report.side_by_side import cost_text
from cocktail.report.table import to_markdown
from cocktail.report.verdicts import verdict_tables

OVERVIEW, RESULTS, BENCHMARKS = "overview", "results", "benchmarks"
ORDER = ("small", "tiny", "smoke", "paper")  # as far as they are recorded; others after them, by name
NONE = "No study is recorded yet.\n"


def render_readme(text: str, reports: Path) -> str:
    """Return the README with its blocks rendered from ``reports/studies`` and ``reports/benchmarks``.

    Raises:
        RecordError: the README lacks the marks of a block.
    """
    studies = _ordered(reports / "studies")
    full = [one for records in studies.values() for one in records if one.method == FULL]
    text = _filled(text, OVERVIEW, overview(full) if full else NONE)
    results = [_study(name, records) for name, records in studies.items()]
    text = _filled(text, RESULTS, "\n".join(results) or NONE)
    return _filled(text, BENCHMARKS, render_benchmarks(reports / "benchmarks"))


def marks(block: str) -> tuple[str, str]:
    """Return the comments between which a block stands."""
    return f"<!-- cocktail:{block} -->", f"<!-- /cocktail:{block} -->"


def _filled(text: str, block: str, body: str) -> str:
    start, end = marks(block)
    if text.count(start) != 1 or text.count(end) != 1 or text.index(start) > text.index(end):
        raise RecordError(f"the README needs one {start} and one {end} after it", where="README.md")
    return re.sub(f"{start}.*{end}", lambda _: f"{start}\n\n{body}\n{end}", text, flags=re.DOTALL)


def _ordered(studies: Path) -> dict[str, list[Record]]:
    found = read_studies(studies)
    rank = {name: place for place, name in enumerate(ORDER)}
    return {name: found[name] for name in sorted(found, key=lambda one: (rank.get(one, len(ORDER)), one))}


def _study(name: str, records: Sequence[Record]) -> str:
    """Full fine-tuning with its tables, folded; then, where there are other methods, all side by side."""
    parts = [_full(one) for one in records if one.method == FULL] + [methods_block(records)]
    return "\n".join([f"### Study {name}", "", *filter(None, parts)])


def _full(record: Record) -> str:
    folder = record.folder
    here = f"reports/studies/{folder.name}"
    figures = sorted(path.name for path in (folder / "figures").glob("bars_*.svg"))
    lines = [
        f"{cost_text(record.manifest)}. "
        f"All tables: [{here}/tables]({here}/tables); how it was made: [manifest]({here}/manifest.json).",
        "",
        *(
            f"![Accuracy of base, single task and mixtures per task]({here}/figures/{name})"
            for name in figures
        ),
        "",
        f"<details><summary>Tables of study {folder.name}: every claim, accuracy, contrasts</summary>",
        "",
        *_verdicts(folder / "claims.json"),
        *((folder / f"tables/{name}.md").read_text(encoding="utf-8") for name in ("main", "contrasts")),
        "</details>",
        "",
    ]
    return "\n".join(lines)


def _verdicts(path: Path) -> list[str]:
    """The verdict table, straight from the record's claims.json; records older than claims have none."""
    return [to_markdown(verdict_tables(read_json(path))[0])] if path.is_file() else []
