"""What the README says of speed: two lines, from the recorded benchmarks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cocktail.report.benchmarks import Benchmark, comparison_cells, read_benchmark
from cocktail.report.table import MISSING

QUOTED = "grid"  # a whole stage against other tools: what a user waits for
NONE = "No benchmark is recorded yet.\n"


def speed_lines(folder: Path) -> str:
    """Return the quoted benchmark in one line, and in one which goals all of them met and missed."""
    found = [read_benchmark(path) for path in sorted(folder.glob("*.json"))]
    lines = [_quote(one) for one in found if one.name == QUOTED] + [_goals(found)]
    return "\n".join([*lines, ""]) if found else NONE


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
