"""Growth: the data stages with 1, 2, 4, 8 times the rows, the executor with 1, 2, 4 times the runs.

Stated beforehand: time is linear if the largest size takes at most 1.25 times what the straight line through
the smallest and the last but one says (start-up is in both; a quadratic would be near 1.8 times). Memory is
flat if the largest size takes at most 1.5 times the smallest's, for workers 1.2 times.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from common import MEBIBYTE, STUDIES, Measured, alternate, finish, made_with, parser, scratch, stage
from workbench import Workbench, empty_workbench, make_workbench

from cocktail.files.records import read_json
from cocktail.report.benchmarks import Benchmark, Goal, MeasuredRatio, Series
from cocktail.stage import run_command

LINEAR = Goal("at most", 1.25)
FLAT, FLAT_WORKER = Goal("at most", 1.5), Goal("at most", 1.2)
FACTORS = {"small": (1, 2, 3), "full": (1, 2, 4, 8)}
RUNS = {"small": (1, 2, 3), "full": (8, 16, 32)}
STAGES = {
    "fetch": ("--out", "data/raw"),
    "prepare": ("--raw", "data/raw", "--out", "data/prepared"),
    "mix": ("--prepared", "data/prepared", "--out", "artifacts/mixtures"),
}
EXAM = ["study.evaluations=[fpb]", "study.targets=[fpb]", "prepare.dev_rows=4", "prepare.test_rows=4"]
Sizes = Mapping[int, Sequence[Measured]]


def data_bench(folder: Path, study: str, factor: int) -> Workbench:
    """Return a workbench whose generated world and caps are ``factor`` times the study's."""
    params = empty_workbench(folder, study).params
    larger = [f"fetch.world.{key}={factor * value}" for key, value in growing(params.fetch.world).items()]
    caps = [f"mix.caps.{key}={factor * value}" for key, value in params.mix.caps.items()]
    return empty_workbench(folder, study, [*larger, *caps])


def growing(world: Mapping[str, int]) -> dict[str, int]:
    """Return the rows of all sources that can grow; of facts to ask for, the generator has only so many."""
    return {key: rows for key, rows in world.items() if key != "seed" and not key.startswith("knowledge")}


def data_stages(bench: Workbench) -> dict[str, Measured]:
    """Run the data stages and return each one's time and memory."""
    return {name: bench.run(stage(name, *arguments)) for name, arguments in STAGES.items()}


def runs_overrides(count: int, largest: int) -> list[str]:
    """Return a grid of ``count`` alike runs: the same task with other seeds."""
    seeds = ",".join(str(100 + number) for number in range(largest))
    tune = [f"tune.seeds=[{seeds}]", "tune.epochs=[3.0]", "tune.learning_rate_factors=[1.0]"]
    return [*EXAM, "study.include=[tuned]", f"study.tries={count}", *tune]


def explore(folder: Path, study: str, count: int, largest: int) -> Measured:
    """Run stage explore with an empty store; the memory is that of its largest worker."""
    bench = empty_workbench(folder, study, runs_overrides(count, largest))
    shutil.rmtree(folder / "store", ignore_errors=True)
    command = stage(
        "explore",
        *("--model", bench.model, "--prepared", bench.prepared, "--mixtures", bench.mixtures),
        *("--base", bench.base, "--studies", "reports/studies", "--locks", "reports/locks"),
        *("--out", "artifacts/answers"),
    )
    measured = bench.run(command, store="store")
    receipts = [read_json(path) for path in (folder / "store").glob("answers/*/*/runtime.json")]
    peak = max(receipt["peak_memory_bytes"] for receipt in receipts)
    return Measured(measured.seconds, peak, {"runs": len(receipts)}, measured.output)


def line_at_largest(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Continue the line through the first and the last but one point to the largest size."""
    slope = (seconds[-2] - seconds[0]) / (sizes[-2] - sizes[0])
    return seconds[-2] + slope * (sizes[-1] - sizes[-2])


def linear(name: str, found: Sizes) -> MeasuredRatio:
    """Compare the largest size's time with the line of the smaller ones, repeat by repeat."""
    sizes = sorted(found)
    seconds = list(zip(*([one.seconds for one in found[size]] for size in sizes), strict=True))
    line = tuple(line_at_largest(sizes, one) for one in seconds)
    return MeasuredRatio(
        name=f"{name}: time",
        unit="s",
        ours=Series(f"{sizes[-1]}", tuple(one[-1] for one in seconds)),
        other=Series(f"straight line through {sizes[0]} and {sizes[-2]}", line),
        goal=LINEAR,
        facts={"seconds": {str(size): [one.seconds for one in found[size]] for size in sizes}},
    )


def flat(name: str, found: Sizes, goal: Goal) -> MeasuredRatio:
    """Compare the memory of the largest size with that of the smallest."""
    sizes = sorted(found)
    peaks = {size: tuple(one.peak_bytes / MEBIBYTE for one in found[size]) for size in sizes}
    return MeasuredRatio(
        name=f"{name}: peak memory",
        unit="MiB",
        ours=Series(f"{sizes[-1]}", peaks[sizes[-1]]),
        other=Series(f"{sizes[0]}", peaks[sizes[0]]),
        goal=goal,
        facts={"MiB": {str(size): list(values) for size, values in peaks.items()}},
    )


def main() -> None:
    arguments = parser(__doc__, repeats=3).parse_args()
    with scratch() as folder:
        finish(compare(folder, arguments), arguments)


def compare(folder: Path, arguments: argparse.Namespace) -> Benchmark:
    """Measure all sizes in turn and return the result."""
    study, factors, counts = STUDIES[arguments.size], FACTORS[arguments.size], RUNS[arguments.size]
    benches = {factor: data_bench(folder / f"rows-{factor}", study, factor) for factor in factors}
    data = alternate(
        {f"rows × {factor}": partial(data_stages, bench) for factor, bench in benches.items()},
        repeats=arguments.repeats,
    )
    make_workbench(folder / "runs", study, runs_overrides(max(counts), max(counts)))
    runs = alternate(
        {f"{count} runs": partial(explore, folder / "runs", study, count, max(counts)) for count in counts},
        repeats=arguments.repeats,
    )
    rows = []
    for name in STAGES:
        found = {factor: [one[name] for one in data[f"rows × {factor}"]] for factor in factors}
        label = f"{name}, rows × {factors[-1]}"
        rows += [linear(label, found), flat(label, found, FLAT)]
    explored = {count: runs[f"{count} runs"] for count in counts}
    label = f"explore, {counts[-1]} runs"
    rows += [linear(label, explored), flat(f"{label}, largest worker", explored, FLAT_WORKER)]
    world = sum(growing(benches[1].params.fetch.world).values())
    return Benchmark(
        name="growth",
        title="Growth: more rows, more runs",
        command=f"python benchmarks/growth.py --repeats {arguments.repeats}",
        comparisons=tuple(rows),
        made_with=made_with(),
        notes=(
            f"Rows × 1 are the {world} generated rows of study {study}, facts left out; caps grow too.",
            "Memory is that of the stage's largest process, imports included.",
            f"Runs are alike: one task, other seeds, {', '.join(map(str, counts))} of them.",
        ),
    )


if __name__ == "__main__":
    run_command(main)
