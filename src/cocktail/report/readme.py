"""The README's generated blocks: recorded studies and benchmarks only.

So a variant in the work tree changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cocktail.errors import RecordError
from cocktail.records import read_json
from cocktail.report.benchmarks import render_benchmarks
from cocktail.report.methods import FULL, Record, methods_block, read_studies
from cocktail.report.table import to_markdown
from cocktail.report.verdicts import verdict_tables

RESULTS, BENCHMARKS = "results", "benchmarks"
ORDER = ("paper", "small", "tiny", "smoke")  # the largest first; others after them, by name


def render_readme(text: str, reports: Path) -> str:
    """Return the README with its blocks rendered from ``reports/studies`` and ``reports/benchmarks``.

    Raises:
        RecordError: the README lacks the marks of a block.
    """
    text = _filled(text, RESULTS, _studies(reports / "studies"))
    return _filled(text, BENCHMARKS, render_benchmarks(reports / "benchmarks"))


def marks(block: str) -> tuple[str, str]:
    """Return the comments between which a block stands."""
    return f"<!-- cocktail:{block} -->", f"<!-- /cocktail:{block} -->"


def _filled(text: str, block: str, body: str) -> str:
    start, end = marks(block)
    if text.count(start) != 1 or text.count(end) != 1 or text.index(start) > text.index(end):
        raise RecordError(f"the README needs one {start} and one {end} after it", where="README.md")
    return re.sub(f"{start}.*{end}", lambda _: f"{start}\n\n{body}\n{end}", text, flags=re.DOTALL)


def _studies(studies: Path) -> str:
    found = read_studies(studies)
    rank = {name: place for place, name in enumerate(ORDER)}
    ordered = sorted(found, key=lambda name: (rank.get(name, len(ORDER)), name))
    return "\n".join(_study(name, found[name]) for name in ordered) or "No study is recorded yet.\n"


def _study(name: str, records: Sequence[Record]) -> str:
    """Full fine-tuning with its tables; then, where there are other methods, all methods side by side."""
    parts = [_full(one) for one in records if one.method == FULL] + [methods_block(records)]
    return "\n".join([f"### Study {name}", "", *filter(None, parts)])


def _full(record: Record) -> str:
    folder, hardware = record.folder, record.manifest["hardware"]
    runtime = record.manifest["runtime"]
    device = ", ".join(hardware["gpus"]) or f"{hardware['cores']} cores of {hardware['cpu']}"
    here = f"reports/studies/{folder.name}"
    figures = sorted(path.name for path in (folder / "figures").glob("bars_*.svg"))
    lines = [
        f"{runtime['runs']} runs, {_spent(runtime, gpus=bool(hardware['gpus']))} on {device}. "
        f"All tables: [{here}/tables]({here}/tables); how it was made: [manifest]({here}/manifest.json).",
        "",
        *_verdicts(folder / "claims.json"),
        *(
            f"![Accuracy of base, single task and mixtures per task]({here}/figures/{name})"
            for name in figures
        ),
        "",
        *((folder / f"tables/{name}.md").read_text(encoding="utf-8") for name in ("main", "contrasts")),
    ]
    return "\n".join(lines)


def _verdicts(path: Path) -> list[str]:
    """The verdict table, straight from the record's claims.json; records older than claims have none."""
    return [to_markdown(verdict_tables(read_json(path))[0])] if path.is_file() else []


def _spent(runtime: Mapping[str, Any], *, gpus: bool) -> str:
    """Hours of the workers and, on GPUs, GPU-hours and energy, as far as runs were counted."""
    hours = (runtime["training_seconds"] + runtime["answering_seconds"]) / 3600
    parts = [f"{hours:.2f} worker-hours"]
    if gpus and runtime.get("gpu_hours") is not None:
        parts.append(f"{runtime['gpu_hours']:.2f} GPU-hours")
    if gpus and runtime.get("watt_hours") is not None:
        counted, runs = runtime["runs_with_energy"], runtime["runs"]
        some = "" if counted == runs else f" (counted in {counted} runs)"
        parts.append(f"{runtime['watt_hours']:.0f} Wh{some}")
    return ", ".join(parts)
