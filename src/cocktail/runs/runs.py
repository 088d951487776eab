"""All runs of a stage: those that are not done are trained and answered, then the output is assembled.

A run is done if the store has its answers, or if it is kept in git as receipt and codes, without text
(:mod:`cocktail.runs.kept`). Like the store, the folder of kept runs is no dependency of a stage: it decides
how long the stage takes, and whether the output holds a run's answers or their codes, which score alike.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from cocktail.config import Params
from cocktail.data.grid import Asked, Run
from cocktail.data.mixture import draw_all, read_mixture
from cocktail.errors import BusyError, RunError
from cocktail.files.records import digest_text
from cocktail.files.store import Store, read_runtime, store_root
from cocktail.runs.engines.engine import run_jobs
from cocktail.runs.execute import execute
from cocktail.runs.finished import NOT_TRAINED, Answered, Finished, read_answers, write_runs
from cocktail.runs.jobs import RunJob
from cocktail.runs.kept import KeptRuns
from cocktail.runs.plan import Planner, planned_bytes
from cocktail.runs.rounds import Job


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
        """Return the run if it is done; the store, which has its text, goes first."""
        training, answers = self._training(job.payload), self.answered(job.payload)
        if training is None or len(answers) < len(job.payload.answers):
            return None
        came, cost = training
        return Finished(job.payload.run, about(job.payload), came, tuple(answers), cost)

    def answered(self, job: RunJob) -> list[Answered]:
        """Return the answers to those evaluation sets that are there and count.

        Where the device matters, answers whose training does not count are of another model.
        """
        if job.only_on and self._training(job) is None:
            return []
        found = (self._stored(job, asked, key) or self._kept(job, asked, key) for asked, key in job.answers)
        return [one for one in found if one is not None]

    def _stored(self, job: RunJob, asked: Asked, key: str) -> Answered | None:
        entry = job.stored_answers(key)
        return None if entry is None else read_answers(entry, asked, key)

    def _kept(self, job: RunJob, asked: Asked, key: str) -> Answered | None:
        found = self._kept_runs.answers(asked, key)
        return found if found and job.accepts(found.receipt["made_on"]) else None

    def _training(self, job: RunJob) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
        if job.recipe is None:
            return NOT_TRAINED, {}
        stored = job.stored_training()
        if stored:
            return stored, read_runtime(job.store.path("runs", job.training_key))
        kept = self._kept_runs.training(job.training_key)
        return kept if kept and job.accepts(kept[0]["made_on"]["device"]) else None

    @cached_property
    def _kept_runs(self) -> KeptRuns:
        return KeptRuns(self.kept)


def run_all(runs: Sequence[Run], inputs: StageInputs, *, out: Path, label: str, lock: str) -> None:
    """Train and answer ``runs``, and write their answers or codes, receipts and list into the folder ``out``.

    Runs that match the steps of another run start after it.

    Args:
        label: what the progress bar says.
        lock: digest of the study's lock, "" if it has none.

    Raises:
        RunError: a run failed (the others are in the store), or the disk has no room for the weights.
    """
    planner = inputs.planner(runs)
    jobs: dict[str, Job[RunJob]] = {}
    failed: dict[str, str] = {}
    for wave in _waves(runs):
        failed |= {
            run.id: f"{run.matches}, which it matches, failed" for run in wave if run.matches in failed
        }
        ready = [run for run in wave if run.id not in failed]
        for run in ready:
            steps = _done(inputs, jobs[run.matches]).steps if run.kind == "steps" else 0
            jobs[run.id] = planner.job(run, max_steps=steps)
        failed |= _make([jobs[run.id] for run in ready], inputs, label=label)
    if failed:
        reasons = "\n".join(f"  - {name}: {reason}" for name, reason in sorted(failed.items()))
        raise RunError(
            f"{len(failed)} of {len(runs)} runs failed, the others are in the store:\n{reasons}",
            where=label,
            fix="the same command again tries only these",
        )
    write_runs(out, (_done(inputs, jobs[run.id]) for run in runs), lock=lock)


def finished_runs(runs: Sequence[Run], inputs: StageInputs) -> Iterator[Finished]:
    """Yield those of ``runs`` that are done; nothing is trained."""
    planner = inputs.planner(runs)
    steps: dict[str, int] = {}
    for run in (one for wave in _waves(runs) for one in wave):
        if run.kind == "steps" and run.matches not in steps:
            continue  # how long it trains is not known before the run it matches is done
        job = planner.job(run, max_steps=steps[run.matches] if run.kind == "steps" else 0)
        finished = inputs.find(job)
        if finished:
            steps[run.id] = finished.steps
            yield finished


def made_again(
    done: Sequence[Finished], runs: Sequence[Run], inputs: StageInputs, *, store: Store, label: str
) -> list[Finished]:
    """Train and answer finished runs once more, into another store; nothing that is finished is taken over.

    Args:
        runs: all runs of their stage.
        store: an empty one.

    Raises:
        RunError: a run failed.
    """
    afresh = replace(inputs, kept=store.root / "kept")
    planner = replace(inputs.planner(runs), store=store)
    jobs = [planner.job(one.run, max_steps=one.steps if one.run.kind == "steps" else 0) for one in done]
    jobs = [replace(job, payload=replace(job.payload, keep_weights=False)) for job in jobs]
    failed = _make(jobs, afresh, label=label)
    if failed:
        raise RunError("; ".join(f"{name}: {reason}" for name, reason in sorted(failed.items())), where=label)
    return [_done(afresh, job) for job in jobs]


def about(job: RunJob) -> dict[str, Any]:
    """Return what a run is, for its receipt."""
    return {
        "model": job.model,
        "config": {
            **(job.recipe.as_record() if job.recipe else {}),
            "bf16": job.bf16,
            "truncation": job.truncation,
            "answer": {**job.answer.model_dump(), "shots": job.shots.count},
        },
        **job.identity,
        "training_key": job.training_key if job.recipe else "",
    }


def _waves(runs: Sequence[Run]) -> tuple[list[Run], list[Run]]:
    """Runs that stand alone, then those that match one of them."""
    return [run for run in runs if not run.matches], [run for run in runs if run.matches]


def _make(jobs: Sequence[Job[RunJob]], inputs: StageInputs, *, label: str) -> dict[str, str]:
    """Do those jobs that are not done; return, and note in the store, why runs failed."""
    missing: list[Job[RunJob]] = []
    failed: dict[str, str] = {}
    for job in jobs:
        if inputs.find(job):
            _forget_checkpoints(job.payload)
        else:  # what is there is not asked again
            there = {one.key for one in inputs.answered(job.payload)}
            rest = tuple(one for one in job.payload.answers if one[1] not in there)
            missing.append(replace(job, payload=replace(job.payload, answers=rest)))
    if missing:
        _check_room(missing, base=inputs.base)
        failed |= run_jobs(
            missing,
            execute,
            settings=inputs.params.execute,
            label=label,
            store=missing[0].payload.store,
            files=(inputs.base / "base.json", inputs.prepared / "tasks.json"),
        )
    for job in jobs:
        store, key = job.payload.store, digest_text(f"{label} {job.name}")
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
    untrained = [job for job in jobs if not job.payload.store.have("tuned", job.payload.training_key)]
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
