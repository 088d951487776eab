"""Runs that do nothing, or count for a while, through one engine; says what that took as one JSON object.

benchmarks/engines.py runs it as a driver of its own. What the engine itself costs a run is told by the times
at which runs ended: the first end has start-up behind it, imports and all.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from cocktail.config import ExecuteConfig
from cocktail.files.store import Store
from cocktail.runs.engines.engine import run_jobs
from cocktail.runs.rounds import Job


def leave_a_mark(path: Path, wait: bool) -> None:
    """A run that does nothing but say when it ended."""
    path.write_text(str(time.time()), encoding="utf-8")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--engine", choices=("local", "ray", "slurm"), required=True)
    options.add_argument("--workers", type=int, required=True)
    options.add_argument("--runs", type=int, required=True)
    options.add_argument("--folder", type=Path, required=True)
    arguments = options.parse_args()
    folder = arguments.folder / "marks"
    folder.mkdir(parents=True)
    settings = ExecuteConfig(
        engine=arguments.engine,
        workers=arguments.workers,
        keep_weights="none",
        gpus_per_run=1,
        checkpoint_minutes=10.0,
    )
    jobs = [Job(str(number), 1, folder / str(number)) for number in range(arguments.runs)]
    # Of the code of the scripts' own module a worker knows nothing; of an imported one it does.
    from empty_runs import leave_a_mark as work

    started = time.time()
    store = Store(arguments.folder / "store")
    failed = run_jobs(jobs, work, settings=settings, label=arguments.engine, store=store, files=[])
    ended = time.time()
    marks = sorted(float(path.read_text(encoding="utf-8")) for path in folder.iterdir())
    said = {
        "failed": len(failed),
        "seconds": ended - started,
        "first_after": marks[0] - started,
        "seconds_a_run": arguments.workers * (marks[-1] - marks[0]) / (len(marks) - 1),
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
