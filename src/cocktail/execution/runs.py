"""All runs of a stage: those that the store lacks are trained and answered, then the output is assembled."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cocktail.config import ExecuteConfig, Params
from cocktail.data.mixture import draw_all, read_mixture
from cocktail.errors import BusyError, RunError
from cocktail.execution.jobs import RunJob, execute
from cocktail.execution.plan import Planner, planned_bytes
from cocktail.execution.pool import Job, run_jobs
from cocktail.grid import Run
from cocktail.records import fresh_folder, read_json, write_json
from cocktail.store import Store, store_root


def run_all(
    runs: Sequence[Run],
    *,
    params: Params,
    model_name: str,
    prepared: Path,
    base: Path,
    mixtures: Path | None,
    out: Path,
    label: str,
) -> None:
    """Train and answer ``runs``, and write their answers, receipts and list into the folder ``out``.

    Runs that match the steps of another run start after it.

    Args:
        mixtures: the folder of drawn mixtures; None: they are drawn here.
        label: what the progress bar says.

    Raises:
        RunError: a run failed (the others are in the store), or the disk has no room for the weights.
    """
    trained = [run for run in runs if run.sources]
    drawn = (
        {run.id: read_mixture(mixtures, run.id) for run in trained}
        if mixtures
        else draw_all(trained, params=params, prepared=prepared)
    )
    store = Store(store_root())
    planner = Planner(params, model_name, prepared, base, drawn, store)
    jobs: dict[str, Job[RunJob]] = {}
    failed: dict[str, str] = {}
    for wave in ([run for run in runs if not run.like], [run for run in runs if run.like]):
        failed |= {run.id: f"{run.like}, which it matches, failed" for run in wave if run.like in failed}
        ready = [run for run in wave if run.id not in failed]
        for run in ready:
            steps = _steps(jobs[run.like]) if run.kind == "steps" else 0
            jobs[run.id] = planner.job(run, max_steps=steps)
        failed |= _make([jobs[run.id] for run in ready], base=base, settings=params.execute, label=label)
    if failed:
        reasons = "\n".join(f"  - {name}: {reason}" for name, reason in sorted(failed.items()))
        raise RunError(
            f"{len(failed)} of {len(runs)} runs failed, the others are in the store:\n{reasons}",
            where=label,
            fix="the same command again tries only these",
        )
    with fresh_folder(out) as folder:
        for run in runs:
            entry = _entry(jobs[run.id])
            shutil.copyfile(entry / "answers.parquet", folder / f"{run.id}.parquet")
            shutil.copyfile(entry / "receipt.json", folder / f"{run.id}.json")
        write_json(folder / "index.json", {"runs": [run.id for run in runs]})


def _make(jobs: Sequence[Job[RunJob]], *, base: Path, settings: ExecuteConfig, label: str) -> dict[str, str]:
    """Do those jobs that the store has no answers of; return, and note in the store, why runs failed."""
    missing, failed = [], {}
    for job in jobs:
        try:
            if job.payload.store.have("answers", job.payload.answers_key):
                _forget_checkpoints(job.payload)
            else:
                missing.append(job)
        except RunError as error:  # a stored file was changed: no reason to stop the others
            failed[job.name] = str(error)
    if missing:
        _check_room(missing, base=base)
        failed |= run_jobs(
            missing,
            execute,
            workers=settings.workers,
            label=label,
            gpus_per_worker=settings.gpus_per_run,
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


def _steps(job: Job[RunJob]) -> int:
    """Optimiser steps of a run that is done."""
    return int(read_json(_entry(job) / "receipt.json")["steps"])


def _entry(job: Job[RunJob]) -> Path:
    entry = job.payload.store.have("answers", job.payload.answers_key)
    if entry is None:
        raise RunError(
            "a finished run is not in the store any more", where=job.name, fix="the same command again"
        )
    return entry
