"""Benchmark results: what was compared, at which values, and the table made of them.

A folder's results are one file, an entry a benchmark. An entry holds the measured values and, for its
readers, what follows from them (medians, ratio, whether the goal is met). Read back, the latter is worked
out again and must agree: a table shows no edited number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal

import pandas as pd
from pydantic import TypeAdapter

from cocktail.errors import RecordError
from cocktail.files.records import canonical_json, read_json, write_json
from cocktail.report.table import MISSING, Table, to_markdown

FILE = "benchmarks.json"
UNRECORDED = "No benchmark is recorded yet.\n"


@dataclass(frozen=True)
class Series:
    """One side: what was measured, and its value at each repeat."""

    what: str
    values: tuple[int | float, ...]  # a whole number stays one when it is read back

    @property
    def median(self) -> float:
        return float(median(self.values))

    def as_record(self) -> dict[str, Any]:
        return {**asdict(self), "median": self.median, "min": min(self.values), "max": max(self.values)}


@dataclass(frozen=True)
class Goal:
    """What the ratio (without another side: our median) is to be."""

    kind: Literal["at most", "at least"]
    value: int | float

    def met(self, found: float) -> bool:
        return found <= self.value if self.kind == "at most" else found >= self.value

    def __str__(self) -> str:
        return f"{'≤' if self.kind == 'at most' else '≥'} {number(self.value)}"


@dataclass(frozen=True)
class MeasuredRatio:
    """One row of the table.

    Attributes:
        unit: of the values of both sides.
        other: what ours is compared with; None: it stands alone.
        facts: what else a reader of the file may ask.
    """

    name: str
    unit: str
    ours: Series
    other: Series | None = None
    goal: Goal | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """Median of ours over median of the other."""
        return self.ours.median / self.other.median if self.other else None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None: there is none on this hardware."""
        found = self.ours.median if self.ratio is None else self.ratio
        return self.goal.met(found) if self.goal else None

    def as_record(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "ours": self.ours.as_record(),
            "other": self.other.as_record() if self.other else None,
            "ratio": self.ratio,
            "met": self.met,
        }


@dataclass(frozen=True)
class Benchmark:
    """One benchmark's result.

    Attributes:
        command: what was run.
        made_with: hardware, versions, commit, date.
        notes: what is inside the measured times; how the sides differ.
        not_measured: what this machine could not show.
    """

    name: str
    title: str
    command: str
    comparisons: tuple[MeasuredRatio, ...]
    made_with: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    not_measured: tuple[str, ...] = ()

    def as_record(self) -> dict[str, Any]:
        return {**asdict(self), "comparisons": [one.as_record() for one in self.comparisons]}


def keep_benchmark(folder: Path, benchmark: Benchmark) -> Path:
    """Put a result in the place of what its benchmark gave before, and return the file.

    Raises:
        RecordError: the results that are there are broken; they stay as they are.
    """
    path = folder / FILE
    kept = _records(path) if path.exists() else {}
    write_json(path, {**kept, benchmark.name: benchmark.as_record()})
    return path


def read_benchmarks(folder: Path) -> list[Benchmark]:
    """Read all results of a folder, in the order of their names; a run of some parts is before that of all.

    Raises:
        RecordError: the file is broken, or a number in it does not follow from its measured values.
    """
    path = folder / FILE
    records = _records(path) if path.exists() else {}
    return [_read(records[name], path) for name in sorted(records, key=lambda name: f"{name}.")]


def read_benchmark(folder: Path, name: str) -> Benchmark:
    """Read the result of one benchmark.

    Raises:
        RecordError: it is missing or broken, or a number in it does not follow from its measured values.
    """
    path = folder / FILE
    records = _records(path)
    if name not in records:
        raise RecordError(f"no result of benchmark {name!r}", where=str(path), fix="make bench")
    return _read(records[name], path)


def _records(path: Path) -> dict[str, Any]:
    found = read_json(path)
    if not isinstance(found, dict) or not all(
        isinstance(record, dict) and record.get("name") == name for name, record in found.items()
    ):
        raise RecordError("no benchmark results, each under its name", where=str(path))
    return found


def _read(record: dict[str, Any], path: Path) -> Benchmark:
    try:
        benchmark = TypeAdapter(Benchmark).validate_python(record)
        agrees = canonical_json(benchmark.as_record()) == canonical_json(record)
    except (ValueError, ZeroDivisionError) as error:  # pydantic's error is a ValueError
        told = " ".join(str(error).split())
        raise RecordError(f"no benchmark result {record['name']!r} ({told})", where=str(path)) from None
    if not agrees:
        raise RecordError(
            "a number does not follow from the measured values", where=str(path), fix=benchmark.command
        )
    return benchmark


def render_benchmarks(folder: Path) -> str:
    """Return the results of a folder as Markdown, one table a benchmark, in the order of their names."""
    return "\n".join(to_markdown(_table(one)) for one in read_benchmarks(folder)) or UNRECORDED


def number(value: float) -> str:
    """Return a measured number with three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _table(benchmark: Benchmark) -> Table:
    made = benchmark.made_with
    hardware = made["hardware"]
    device = ", ".join(hardware["gpus"]) or f"{hardware['cores']} cores of {hardware['cpu']}"
    lines = [
        f"`{benchmark.command}`, {made['date']}, {device}. Medians [smallest, largest].",
        *benchmark.notes,
        *(f"Not measured: {one}." for one in benchmark.not_measured),
    ]
    frame = pd.DataFrame([comparison_cells(one) for one in benchmark.comparisons])
    return Table(name=benchmark.name, title=benchmark.title, note=" ".join(lines), frame=frame)


def comparison_cells(one: MeasuredRatio) -> dict[str, str]:
    """Return a comparison as the cells of its row, by column."""
    return {
        "measured": one.name,
        "ours": _side(one.ours, one.unit),
        "compared with": f"{one.other.what}: {_side(one.other, one.unit)}" if one.other else MISSING,
        "ratio": MISSING if one.ratio is None else number(one.ratio),
        "goal": str(one.goal) if one.goal else MISSING,
        "met": {True: "yes", False: "**no**", None: MISSING}[one.met],
    }


def _side(series: Series, unit: str) -> str:
    shown = f"{number(series.median)} {unit}"
    if len(series.values) == 1:
        return shown
    return f"{shown} [{number(min(series.values))}, {number(max(series.values))}]"
