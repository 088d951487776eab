"""Many runs: what grows with their number where no run is made: looking them up, DVC's copy, git.

Fake runs stand in a run store and in a stage's output as real ones would: a training and some tables of
answers each, of the size that tables have in stores of recorded studies. Measured are 1,000 and 10,000 of
them: is each done already (what every stage begins and ends with), DVC's copy of the stage's output and a
look whether it changed, the file in git that keeps their codes. docs/scale.md says what follows.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from common import MEBIBYTE, child_environment, finish, made_with, measure, parser, say, scratch

from cocktail.data.grid import Asked, Run
from cocktail.data.table import BASIS
from cocktail.files.records import DIGESTS, canonical_json, digest_file
from cocktail.files.store import Store
from cocktail.report.benchmarks import Benchmark, MeasuredRatio, Series
from cocktail.runs.finished import NOT_TRAINED, Answered, Finished
from cocktail.runs.kept import Coded, KeptRuns, keep
from cocktail.stage import run_command

SIZES = {"small": (20, 50), "full": (1000, 10_000)}
SETS = 2  # evaluation sets a run is asked: an explored one has dev and test of a few tasks
ROWS = 500  # answers of one set
ANSWERS_BYTES = 9_000  # of a table of answers: the mean of some thousand, of miniatures
PEOPLE = {f"GIT_{who}_{what}": "bench" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def fake_key(*words: object) -> str:
    """Return a key as the store has them."""
    return hashlib.sha256(repr(words).encode()).hexdigest()


def fill(store: Store, count: int) -> None:
    """Write entries as :meth:`Store.publish` leaves them; it would wait for the disk at each."""
    chance = random.Random(0)
    for run in range(count):
        entry(store, "runs", fake_key(run), {"training.json": b"{}" * 600})
        for number in range(SETS):
            files = {"answers.parquet": chance.randbytes(ANSWERS_BYTES), "receipt.json": b"{}"}
            entry(store, "answers", fake_key(run, number), files)


def entry(store: Store, kind: str, key: str, files: dict[str, bytes]) -> None:
    """Write one entry with its digests."""
    folder = store.path(kind, key)
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    digests = {name: digest_file(folder / name) for name in files}
    (folder / DIGESTS).write_text(canonical_json(digests), encoding="utf-8")


def look_up(store: Store, count: int) -> None:
    """Ask for every run what a stage asks: are training and answers there, and whole?"""
    for run in range(count):
        assert store.have("runs", fake_key(run))
        for number in range(SETS):
            assert store.have("answers", fake_key(run, number))


def write_output(out: Path, count: int) -> None:
    """Write a stage's output: a receipt and a table a run."""
    chance = random.Random(1)
    out.mkdir(parents=True)
    for run in range(count):
        (out / f"run_{run}.json").write_text(json.dumps({"run": run, "config": ["x"] * 200}))
        (out / f"run_{run}.parquet").write_bytes(chance.randbytes(SETS * ANSWERS_BYTES))


def keep_all(folder: Path, count: int) -> None:
    """Write one file of kept runs, with as many codes as runs of this size have."""
    folder.mkdir(parents=True)
    chance = np.random.default_rng(0)
    items = [f"t{number}:test:{item}" for number in range(SETS) for item in range(ROWS)]
    runs = []
    for run in range(count):
        codes = pd.DataFrame({"item": items, "code": chance.integers(0, 4, len(items)).astype("int16")})
        answers = tuple(
            Answered(Asked(f"t{number}", True, None), fake_key(run, number), pd.DataFrame, {"answered": ROWS})
            for number in range(SETS)
        )
        about = {"model": "fake", "training_key": fake_key(run)}
        finished = Finished(
            Run(id=str(run), kind="single", sources=(), seed=0, asked=()), about, NOT_TRAINED, answers
        )
        runs.append(Coded(finished, codes, {f"t{number}": BASIS for number in range(SETS)}))
    keep(folder, runs)


def main() -> None:
    arguments = parser(__doc__, repeats=1).parse_args()
    sizes = SIZES[arguments.size]
    with scratch() as folder:
        found = [measured(folder / str(count), count) for count in sizes]
    finish(as_benchmark(sizes, found, arguments), arguments)


def measured(folder: Path, count: int) -> dict[str, float]:
    """Return seconds, and sizes in MiB, for so many runs."""
    store, out, kept = Store(folder / "store"), folder / "answers", folder / "kept"
    env = child_environment(store=folder / "store", **PEOPLE)
    found: dict[str, float] = {}

    def timed(name: str, what: Callable[[], object]) -> None:
        started = time.perf_counter()
        what()
        found[name] = time.perf_counter() - started
        say(f"{count} runs, {name}: {found[name]:.1f} s")

    def run(*command: str) -> None:
        measure(command, cwd=folder, env=env)

    folder.mkdir(parents=True)
    fill(store, count)
    write_output(out, count)
    timed("are all runs done? (store)", lambda: look_up(store, count))
    run("git", "init", "--quiet")
    run("dvc", "init", "--quiet")
    timed("DVC copies the output", lambda: run("dvc", "add", "--quiet", "answers"))
    timed("DVC looks at it again", lambda: run("dvc", "status", "--quiet"))
    timed("keep codes in one file", lambda: keep_all(kept, count))
    timed("git adds it", lambda: run("git", "add", "kept"))
    timed("find all kept runs", lambda: KeptRuns(kept).training(fake_key(0)))
    (file,) = kept.iterdir()
    found["size in git, MiB"] = file.stat().st_size / MEBIBYTE
    found["size of DVC's own file, MiB"] = (folder / "answers.dvc").stat().st_size / MEBIBYTE
    listed = sum(path.stat().st_size for path in (folder / ".dvc/cache").rglob("*.dir"))
    found["size of DVC's list of files, MiB"] = listed / MEBIBYTE
    return found


def as_benchmark(
    sizes: tuple[int, ...], found: list[dict[str, float]], arguments: argparse.Namespace
) -> Benchmark:
    """Return the largest number of runs beside the smallest, figure by figure."""
    few, many = found[0], found[-1]
    rows = tuple(
        MeasuredRatio(
            name,
            "MiB" if "MiB" in name else "s",
            Series(f"{sizes[-1]:,} runs", (many[name],)),
            Series(f"{sizes[0]:,} runs", (few[name],)),
        )
        for name in few
    )
    return Benchmark(
        name="many_runs",
        title="Many runs: what grows with their number",
        command=f"python benchmarks/many_runs.py --size {arguments.size}",
        comparisons=rows,
        made_with=made_with(),
        notes=(
            f"Fake runs with {SETS} tables of answers of {ANSWERS_BYTES:,} bytes each, {ROWS} codes a table. "
            "Time is linear where the ratio is that of the numbers of runs.",
        ),
        not_measured=("a network file system, where each look at a file is a question to a server",),
    )


if __name__ == "__main__":
    run_command(main)
