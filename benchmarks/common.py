"""What all benchmarks share: commands timed as processes of their own, sides in turn, one file of results."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table

from cocktail.errors import RunError
from cocktail.files.records import read_json
from cocktail.report.benchmarks import Benchmark, comparison_cells, keep_benchmark
from cocktail.studies.manifest import hardware
from cocktail.training.environment import library_versions

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "benchmarks"
RESULTS = ROOT / "reports/benchmarks"
STUDIES = {"small": "smoke", "full": "tiny"}
MEBIBYTE = 1 << 20
T = TypeVar("T")


@dataclass(frozen=True)
class Measured:
    """One command: its time, the memory of the largest process in it, and what it said.

    Attributes:
        said: the object in the last line of its output, if there is one.
    """

    seconds: float
    peak_bytes: int
    said: Mapping[str, Any]
    output: str


def measure(command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str]) -> Measured:
    """Run a command to its end.

    Raises:
        RunError: it did not end well; the end of what it printed is in the message.
    """
    words = [str(part) for part in command]
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        launcher = [sys.executable, "-I", "-S", str(HERE / "launch.py"), str(result)]
        ended = subprocess.run(
            [*launcher, *words], cwd=cwd, env=dict(env), capture_output=True, text=True, check=False
        )
        facts: dict[str, Any] = read_json(result) if result.is_file() else {"code": "no start"}
    if facts["code"]:
        printed = f"{ended.stdout[-1000:]}\n{ended.stderr[-3000:]}"
        raise RunError(f"a measured command ended with {facts['code']}:\n{printed}", where=" ".join(words))
    return Measured(facts["seconds"], facts["peak_bytes"], _last_object(ended.stdout), ended.stdout)


def side_by_side(run: Callable[[int], Measured], count: int, *, rate: str) -> Measured:
    """Run ``run(0)`` to ``run(count - 1)`` at the same time and return them as one.

    Args:
        rate: what each says it does a second, which is summed.
    """
    with ThreadPoolExecutor(count) as threads:
        found = list(threads.map(run, range(count)))
    return Measured(
        seconds=max(one.seconds for one in found),
        peak_bytes=max(one.peak_bytes for one in found),
        said={**found[0].said, rate: sum(one.said[rate] for one in found), "processes": count},
        output="".join(one.output for one in found),
    )


def script(name: str, *arguments: str | Path) -> list[str | Path]:
    """Return the command that runs a script of this folder with this interpreter."""
    return [sys.executable, HERE / name, *arguments]


def stage(name: str, *arguments: str | Path) -> list[str | Path]:
    """Return the command that runs a stage, as dvc.yaml has it."""
    return [sys.executable, ROOT / "stages" / f"{name}.py", *arguments]


def alternate(sides: Mapping[str, Callable[[], T]], *, repeats: int) -> dict[str, list[T]]:
    """Measure all sides in turn, ``repeats`` times, so that a slow minute of the machine meets all."""
    found: dict[str, list[T]] = {name: [] for name in sides}
    for number in range(1, repeats + 1):
        for name, side in sides.items():
            started = time.perf_counter()
            found[name].append(side())
            say(f"{name}: {number}/{repeats}, {time.perf_counter() - started:.1f} s")
    return found


def say(line: str) -> None:
    """Print a line of progress."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="cocktail-bench-") as folder:
        yield Path(folder)


def child_environment(*, store: Path, **settings: str) -> dict[str, str]:
    """Return the environment of measured commands: this code, a store of their own, no network."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {
        **os.environ,
        "PATH": path,
        "PYTHONPATH": str(ROOT / "src"),
        "COCKTAIL_STORE": str(store),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DVC_NO_ANALYTICS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        **settings,
    }


def parser(description: str | None, *, repeats: int) -> argparse.ArgumentParser:
    """Return the options of every benchmark."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument(
        "--size", choices=STUDIES, default="full", help="small: seconds, to try the script; is not recorded"
    )
    options.add_argument("--repeats", type=int, default=repeats, help="how often each side is measured")
    options.add_argument("--out", type=Path, help=f"folder of the result (default: {RESULTS.name} for full)")
    return options


def made_with() -> dict[str, Any]:
    """Return what a result was measured with."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {
        "hardware": hardware(),
        "versions": {**library_versions(), "dvc": version("dvc"), "python": platform.python_version()},
        "commit": commit.stdout.strip(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def finish(benchmark: Benchmark, arguments: argparse.Namespace) -> None:
    """Keep the result, if this run is one to record, and print the table."""
    folder = arguments.out or (RESULTS if arguments.size == "full" else None)
    path = keep_benchmark(folder, benchmark) if folder else None
    rows = [comparison_cells(one) for one in benchmark.comparisons]
    table = Table(*rows[0], title=benchmark.title)
    for row in rows:
        table.add_row(*row.values())
    Console().print(table)
    for line in (*benchmark.notes, *(f"Not measured: {one}" for one in benchmark.not_measured)):
        print(line)
    print(f"written: {benchmark.name} in {path}" if path else "not recorded: a small size")


def _last_object(output: str) -> dict[str, Any]:
    """What the last line says, if it is a JSON object."""
    lines = output.strip().splitlines()
    try:
        said = json.loads(lines[-1]) if lines else {}
    except json.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}
