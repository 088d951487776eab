"""Documents with generated parts: what they show of results comes from files, never from typing.

The files are recorded studies, benchmarks and the recorded simulation, so a variant in the work tree changes
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from cocktail.errors import RecordError
from cocktail.report.benchmarks import UNRECORDED, Benchmark, comparison_cells, read_benchmarks
from cocktail.report.error_rates import error_rates
from cocktail.report.in_full import NONE, render_results
from cocktail.report.methods import FULL, ordered_studies
from cocktail.report.overview import RESULTS, outcome, overview
from cocktail.report.side_by_side import data_kind
from cocktail.report.table import MISSING
from cocktail.runs.kept import read_kept
from cocktail.runs.lock import read_lock

README, METHOD = "README.md", "docs/method.md"
OUTCOME, OVERVIEW, BENCHMARKS, ERROR_RATES = "outcome", "overview", "benchmarks", "error-rates"
QUOTED = "grid"  # a whole stage against other tools: what a user waits for


def render_documents(root: Path) -> dict[str, str]:
    """Return each document with generated parts as it should be, by its path in the repository.

    Raises:
        RecordError: a document lacks the marks of a block.
    """
    reports = root / "reports"
    rates = {ERROR_RATES: error_rates(reports / "simulation/simulation.json")}
    return {
        README: render_readme((root / README).read_text(encoding="utf-8"), reports),
        METHOD: _filled((root / METHOD).read_text(encoding="utf-8"), rates, where=METHOD),
        RESULTS: render_results(reports / "studies"),
    }


def render_readme(text: str, reports: Path) -> str:
    """Return the README with its blocks rendered from ``reports/studies`` and ``reports/benchmarks``."""
    leading = [group[0] for group in ordered_studies(reports / "studies").values()]
    running = list(running_lines(reports))
    blocks = {
        OUTCOME: outcome(leading) if leading else NONE,
        OVERVIEW: overview(leading, running) if leading or running else NONE,
        BENCHMARKS: speed_lines(reports / "benchmarks"),
        ERROR_RATES: error_rates(reports / "simulation/simulation.json"),
    }
    return _filled(text, blocks, where=README)


def running_lines(reports: Path) -> Iterator[str]:
    """Yield one line for each lock whose study is not recorded: what it is, and how many runs are kept.

    Without verdicts, so that nobody takes a part for the whole.

    Args:
        reports: the folder with ``locks`` and, by name of the lock, ``studies``.

    Raises:
        RecordError: a lock is broken, or kept runs were changed.
    """
    for path in sorted((reports / "locks").glob("*.json")):
        record = reports / "studies" / path.stem
        if (record / "manifest.json").is_file():
            continue
        lock = read_lock(path)
        files = (record / "runs").glob("*.parquet")
        kept = {(facts["model"], facts["run"]) for file in files for facts in read_kept(file)}
        method, caps = lock.settings["train"].get("method", FULL), lock.settings["mix"]["caps"].values()
        rows = f", at most {max(caps)} rows of a capped source" if caps else ""
        models = ", ".join(model.get("repo") or name for name, model in lock.settings["models"].items())
        yield (
            f"- **{lock.study}** is under way: {data_kind(lock.settings)}; {models}, method "
            f"{method}{rows}; "
            f"[locked](reports/locks/{path.name}) {lock.date}; runs kept so far: {len(kept)}; "
            "no verdict before all planned runs are there."
        )


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


def speed_lines(folder: Path) -> str:
    """Return the quoted benchmark in one line, and in one which goals all of them met and missed."""
    found = read_benchmarks(folder)
    lines = [_quote(one) for one in found if one.name == QUOTED] + [_goals(found)]
    return "\n".join([*lines, ""]) if found else UNRECORDED


def _quote(benchmark: Benchmark) -> str:
    cells = [comparison_cells(one) for one in benchmark.comparisons]
    compared = dict.fromkeys(one["compared with"] for one in cells)
    others = ", ".join(other for other in compared if other != MISSING)
    return f"- {benchmark.title} ({cells[0]['measured']}): {cells[0]['ours']}; {others}."


def _goals(found: list[Benchmark]) -> str:
    """Whoever shows what is fast shows what is not."""
    judged = [(one.title, row) for one in found for row in one.comparisons if row.met is not None]
    missed: dict[str, list[str]] = {}
    for title, row in judged:
        if not row.met:
            missed.setdefault(title, []).append(_missed(comparison_cells(row)))
    told = [f"{title.partition(':')[0]}: {', '.join(ones)}" for title, ones in missed.items()]
    met = sum(bool(row.met) for _, row in judged)
    return f"- Goals met: {met} of {len(judged)}. Missed: {'; '.join(told) or 'none'}."


def _missed(cells: Mapping[str, str]) -> str:
    alone = cells["ratio"] == MISSING
    value = cells["ours"] if alone else f"{cells['ratio']} times {cells['compared with'].partition(':')[0]}"
    return f"{cells['measured'].removesuffix(', alone')} {value} ({cells['goal']})"
