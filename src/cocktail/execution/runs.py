"""All runs of a stage: those that are not done are trained and answered, then the output is assembled.

A run is done if the store has its answers, or if it is kept in git as receipt and codes, without text
(:mod:`cocktail.kept`). Like the store, the folder of kept runs is no dependency of a stage: it decides
how long the stage takes, and whether the output holds a run's answers or their codes, which score alike.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cocktail.config import Params
from cocktail.data.mixture import draw_all, read_mixture
from cocktail.errors import BusyError, RunError
from cocktail.execution.jobs import RunJob, execute
from cocktail.execution.plan import Planner, planned_bytes
from cocktail.execution.pool import Job, run_jobs
from cocktail.grid import Run
from cocktail.kept import Finished, KeptRuns
from cocktail.records import fresh_folder, read_json, write_json
from cocktail.store import Store, read_runtime, store_root


@dataclass(frozen=True)
class StageInputs:
    """What the runs of a stage are made of, and where those that are done are found.

    Attributes:
        mixtures: the folder of drawn mixtures; None: they are drawn anew.
        kept: the folder of runs that are kept in git; it need not be there.
    """

    params: Params
    model: str
    prepared: Path
    base: Path
    mixtures: Path | None
    kept: Path

    def planner(self, runs: Sequence[Run]) -> Planner:
        """Return what makes the jobs of ``runs``."""
        trained = [run for run in runs if run.sources]
        drawn = (
            {run.id: read_mixture(self.mixtures, run.id) for run in trained}
            if self.mixtures
            else draw_all(trained, params=self.params, prepared=self.prepared)
        )
        return Planner(self.params, self.model, self.prepared, self.base, drawn, Store(store_root()))

    def find(self, job: Job[RunJob]) -> Finished | None:
        """Return the run if it is done; the store, which has its text, goes first.

        Raises:
            RunError: it is kept in git, and a file of it was changed.
        """
        key = job.payload.answers_key
        entry = job.payload.store.have("answers", key)
        if entry is None:
            return self._kept_runs.have(key)
        receipt = read_json(entry / "receipt.json")
        return Finished(entry / "answers.parquet", receipt, key, read_runtime(entry))

    @cached_property
    def _kept_runs(self) -> KeptRuns:
        return KeptRuns(self.kept)


def run_all(runs: Sequence[Run], inputs: StageInputs, *, out: Path, label: str) -> None:
    """Train and answer ``runs``, and write their answers or codes, receipts and list into the folder ``out``.

    Runs that match the steps of another run start after it.

    Args:
        label: what the progress bar says.

    Raises:
        RunError: a run failed (the others are in the store), or the disk has no room for the weights.
    """
    planner = inputs.planner(runs)
    jobs: dict[str, Job[RunJob]] = {}
    failed: dict[str, str] = {}
    for wave in _waves(runs):
        failed |= {run.id: f"{run.like}, which it matches, failed" for run in wave if run.like in failed}
        ready = [run for run in wave if run.id not in failed]
        for run in ready:
            steps = _done(inputs, jobs[run.like]).steps if run.kind == "steps" else 0
            jobs[run.id] = planner.job(run, max_steps=steps)
        failed |= _make([jobs[run.id] for run in ready], inputs, label=label)
    if failed:
        reasons = "\n".join(f"  - {name}: {reason}" for name, reason in sorted(failed.items()))
        raise RunError(
            f"{len(failed)} of {len(runs)} runs failed, the others are in the store:\n{reasons}",
            where=label,
            fix="the same command again tries only these",
        )
    with fresh_folder(out) as folder:
        for run in runs:
            finished = _done(inputs, jobs[run.id])
            shutil.copyfile(finished.table, folder / f"{run.id}.parquet")
            write_json(folder / f"{run.id}.json", finished.receipt)
        write_json(folder / "index.json", {"runs": [run.id for run in runs]})


def finished_runs(runs: Sequence[Run], inputs: StageInputs) -> Iterator[tuple[Run, Finished]]:
    """Yield those of ``runs`` that are done; nothing is trained.

    Raises:
        RunError: a file of a run was changed.
    """
    planner = inputs.planner(runs)
    steps: dict[str, int] = {}
    for run in (one for wave in _waves(runs) for one in wave):
        if run.kind == "steps" and run.like not in steps:
            continue  # how long it trains is not known before the run it matches is done
        job = planner.job(run, max_steps=steps[run.like] if run.kind == "steps" else 0)
        finished = inputs.find(job)
        if finished:
            steps[run.id] = finished.steps
            yield run, finished


def _waves(runs: Sequence[Run]) -> tuple[list[Run], list[Run]]:
    """Runs that stand alone, then those that match one of them."""
    return [run for run in runs if not run.like], [run for run in runs if run.like]


def _make(jobs: Sequence[Job[RunJob]], inputs: StageInputs, *, label: str) -> dict[str, str]:
    """Do those jobs that are not done; return, and note in the store, why runs failed."""
    missing, failed = [], {}
    for job in jobs:
        try:
            if inputs.find(job):
                _forget_checkpoints(job.payload)
            else:
                missing.append(job)
        except RunError as error:  # a file was changed: no reason to stop the others
            failed[job.name] = str(error)
    if missing:
        _check_room(missing, base=inputs.base)
        settings = inputs.params.execute
        failed |= run_jobs(
            missing,
            execute,
            workers=settings.workers,
            label=label,
            gpus_per_worker=settings.gpus_per_run,
            silence=60 * settings.silence_minutes,
        )
    for job in jobs:
        store, key = job.payload.store, job.payload.answers_key
        if job.name in failed:
            store.note_failure(key, {"run": job.name, "stage": label, "reason": failed[job.name]})
        else:
            store.forget_failure(key)
    return failed


def _forget_checkpoints(job: RunJob) -> None:
    """Take away what a process left behind that was killed just after it had stored the answers."""
    folder = job.store.path("checkpoints", job.training_key)
    if not folder.exists():
        return
    with suppress(BusyError), job.store.lock(job.training_key, wait=False):  # busy: with other questions
        shutil.rmtree(folder, ignore_errors=True)


def _check_room(jobs: Sequence[Job[RunJob]], *, base: Path) -> None:
    """Refuse to start what cannot be stored."""
    root = jobs[0].payload.store.root
    root.mkdir(parents=True, exist_ok=True)
    untrained = [job for job in jobs if not job.payload.store.have("runs", job.payload.training_key)]
    needed, free = planned_bytes(base, jobs=untrained), shutil.disk_usage(root).free
    if needed > free:
        raise RunError(
            f"{len(untrained)} runs store {needed / 1e9:.1f} GB of weights, {free / 1e9:.1f} GB are free",
            where=str(root),
            fix="execute.keep_weights=none, or COCKTAIL_STORE on a larger disk",
        )


def _done(inputs: StageInputs, job: Job[RunJob]) -> Finished:
    finished = inputs.find(job)
    if finished is None:
        raise RunError("a finished run is not there any more", where=job.name, fix="the same command again")
    return finished
