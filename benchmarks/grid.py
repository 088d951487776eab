"""The grid: our stage explore against a new process to mix and a new process to train for every run.

Both train the same runs on the same rows with the same batch size, learning rate and epochs, from the same
base, and store the weights. Inside our time: planning, worker processes with their imports, training,
and answering a few items, which the stage always does. Inside theirs: imports, mixing, training; no answers.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from common import STUDIES, Measured, alternate, finish, made_with, parser, say, scratch, script, stage
from llamafactory import make_environment, train_command
from workbench import Workbench, empty_workbench, make_workbench, plain_command

from cocktail.data.grid import Run, explore_runs
from cocktail.errors import RunError
from cocktail.files.records import read_json
from cocktail.report.benchmarks import Benchmark, Goal, MeasuredRatio, Series
from cocktail.stage import run_command
from cocktail.training.environment import visible_gpus

GOAL = Goal("at most", 0.4)
OURS = "stage explore"
EVERY = {"small": 15, "full": 5}  # one run; 11 of 55, in about the grid's proportions
EXAM = ["study.evaluations=[fpb]", "study.targets=[fpb]", "prepare.dev_rows=4", "prepare.test_rows=4"]


def chosen_runs(folder: Path, study: str, *, every: int) -> list[Run]:
    """Return every n-th run of the study's grid, counted from its end: the run of all sources is in."""
    grid = [
        run for run in explore_runs(empty_workbench(folder, study, ["study.tries=0"]).params) if run.sources
    ]
    return sorted(grid[::-1][::every], key=grid.index)


def explore(bench: Workbench, runs: Sequence[Run]) -> Measured:
    """Time our stage, with an empty store; its receipts must say that all rows were trained on.

    The memory is that of the largest worker.
    """
    shutil.rmtree(bench.folder / "store", ignore_errors=True)
    command = stage(
        "explore",
        *("--model", bench.model, "--prepared", bench.prepared, "--mixtures", bench.mixtures),
        *("--base", bench.base, "--studies", "reports/studies", "--locks", "reports/locks"),
        *("--out", "artifacts/answers"),
    )
    measured = bench.run(command, store="store")
    for run in runs:
        receipt = read_json(bench.folder / f"artifacts/answers/{run.id}.json")
        kept = sum(count["kept"] for count in receipt["rows"].values())
        check_rows(run, trained=kept, wanted=rows_of(bench, run))
    costs = [read_json(path) for path in (bench.folder / "store").glob("*/*/*/runtime.json")]
    peak = max(cost["peak_memory_bytes"] for cost in costs)
    return Measured(measured.seconds, peak, {}, measured.output)


def one_by_one(
    bench: Workbench, runs: Sequence[Run], train: Callable[[Workbench, Run, Path, Path], Measured]
) -> Measured:
    """Time two new processes a run: one mixes, one trains."""
    seconds, peak = 0.0, 0
    for run in runs:
        folder = bench.folder / "plain" / run.id
        shutil.rmtree(folder, ignore_errors=True)
        rows = folder / "rows.jsonl"
        mixture = bench.mixtures / f"{run.id}.json"
        mixed = bench.run(
            script("plain.py", "mix", "--mixture", mixture, "--prepared", bench.prepared, "--out", rows)
        )
        check_rows(run, trained=mixed.said["rows"], wanted=rows_of(bench, run))
        trained = train(bench, run, rows, folder / "model")
        if not list((folder / "model").glob("*.safetensors")):
            raise RunError("a plain training stored no weights", where=run.id)
        shutil.rmtree(folder / "model")  # of a real model six fill a disk
        seconds, peak = seconds + mixed.seconds + trained.seconds, max(peak, trained.peak_bytes)
        say(f"  {run.id}: mixed in {mixed.seconds:.1f} s, trained in {trained.seconds:.1f} s")
    return Measured(seconds, peak, {}, "")


def train_plain(bench: Workbench, run: Run, rows: Path, out: Path, *, threads: int) -> Measured:
    method = bench.params.train.method
    command = [*plain_command(bench, run, rows=rows, out=out, method=method), "--save"]
    return bench.run(command, OMP_NUM_THREADS=str(threads))


def train_llamafactory(
    bench: Workbench, run: Run, rows: Path, out: Path, *, program: Path, threads: int
) -> Measured:
    command = train_command(program, bench, run, rows=rows, out=out)
    return bench.run(command, OMP_NUM_THREADS=str(threads), PYTHONPATH="")


def sides(
    bench: Workbench, runs: Sequence[Run], *, threads: int, llamafactory: Path | None
) -> dict[str, Callable[[], Measured]]:
    """Return what is measured, by name.

    Args:
        threads: of a training of the others on CPU.
        llamafactory: the folder of its environment; None: it is not measured.
    """
    trainers: dict[str, Callable[[Workbench, Run, Path, Path], Measured]] = {
        "plain TRL": partial(train_plain, threads=threads)
    }
    if llamafactory:
        program = make_environment(llamafactory.resolve(), bench)
        trainers["LLaMA-Factory"] = partial(train_llamafactory, program=program, threads=threads)
    ours: dict[str, Callable[[], Measured]] = {OURS: partial(explore, bench, runs)}
    return ours | {name: partial(one_by_one, bench, runs, train) for name, train in trainers.items()}


def rows_of(bench: Workbench, run: Run) -> int:
    return len(read_json(bench.mixtures / f"{run.id}.json")["rows"])


def check_rows(run: Run, *, trained: int, wanted: int) -> None:
    """Both sides must do the same work."""
    if trained != wanted:
        raise RunError(f"{trained} rows were trained on, {wanted} are in the mixture", where=run.id)


def main() -> None:
    options = parser(__doc__, repeats=1)
    options.add_argument("--every", type=int, help="of the grid's runs, take every n-th (1: all)")
    options.add_argument("--threads", type=int, default=1, help="threads of a plain training on CPU")
    options.add_argument(
        "--llamafactory", type=Path, metavar="FOLDER", help="also LLaMA-Factory, in this environment (made)"
    )
    arguments = options.parse_args()
    with scratch() as folder:
        finish(compare(folder, arguments), arguments)


def compare(folder: Path, arguments: argparse.Namespace) -> Benchmark:
    """Measure all sides in turn and return the result."""
    study, every = STUDIES[arguments.size], arguments.every or EVERY[arguments.size]
    runs = chosen_runs(folder / "list", study, every=every)
    include = f"study.include=[{','.join(run.id for run in runs)}]"
    bench = make_workbench(folder / "study", study, [*EXAM, "study.tries=0", include])
    measuring = sides(bench, runs, threads=arguments.threads, llamafactory=arguments.llamafactory)
    found = alternate(measuring, repeats=arguments.repeats)
    seconds = {name: tuple(one.seconds for one in measured) for name, measured in found.items()}
    rows = sum(rows_of(bench, run) for run in runs)
    return Benchmark(
        name="grid",
        title="Grid: our explore stage against two new processes a run",
        command=f"python benchmarks/grid.py --every {every}"
        + (" --llamafactory FOLDER" if arguments.llamafactory else ""),
        comparisons=tuple(
            MeasuredRatio(
                name=f"runs: {len(runs)}, rows: {rows}",
                unit="s",
                ours=Series(OURS, seconds[OURS]),
                other=Series(name, seconds[name]),
                goal=GOAL,
                facts={"runs": [run.id for run in runs], "rows": rows, "threads_of_other": arguments.threads},
            )
            for name in measuring
            if name != OURS
        ),
        made_with=made_with(),
        notes=(
            f"Every {every}th run of the grid of study {study}, at its caps, from one base.",
            "Ours also answers 8 items a run and the base's; the others answer nothing.",
            f"The others train with {arguments.threads} thread(s), ours with as many workers as cores.",
        ),
        not_measured=() if visible_gpus() else ("the grid on a GPU",),
    )


if __name__ == "__main__":
    run_command(main)
