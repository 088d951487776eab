"""Runs as array jobs of Slurm, by submitit: one run a job, or some, one after another.

A job that is told that its time is over, or that others go first, lets its run save, and is queued again with
the rest; one that is killed outright is queued again by Slurm, and goes on from the last checkpoint.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Generic

from cocktail.config import ExecuteConfig
from cocktail.errors import RecordError, RunError, first_line
from cocktail.files.records import read_json, write_json
from cocktail.life import GRACE
from cocktail.runs.engines.common_ground import CommonGround
from cocktail.runs.engines.node import Order, Post
from cocktail.runs.rounds import Job, Outcome, Payload, Work, in_two_rounds
from cocktail.training.environment import visible_gpus

ARRAY = 1000  # jobs of one array: Slurm's own limit (MaxArraySize) is 1001 where nobody has changed it
INTERRUPTS = 1000  # how often a job may run out of its time: a run of weeks is one of many jobs
PAUSE = 1.0  # seconds between two looks at the results, at least
LOOKS = 200  # jobs that are looked at in a second, at most: each is asked for on the shared file system
JOBS = "jobs.json"
END_OF_LOG = 5  # lines that a failure quotes


class Batch(Generic[Payload]):
    """Some runs in one job; what submitit pickles, calls on a node, and asks for what is left of it."""

    def __init__(
        self, orders: Sequence[Order[Payload]], *, gpus: bool, done: dict[str, Outcome] | None = None
    ) -> None:
        self.orders = list(orders)
        self.gpus = gpus  # whether it asked for some
        self.done = dict(done or {})  # outcomes, by the names of jobs
        self._post: Post | None = None
        self._told = False

    def __call__(self) -> dict[str, Outcome]:
        """Do the runs and return their outcomes by name."""
        signal.signal(signal.SIGTERM, self._leave)  # scancel, or others go first; submitit takes no notice
        if not self.gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""  # a node may show those that it did not give
        self._post = Post(tuple(visible_gpus()), self.orders[0].silence)
        try:
            for order in self.orders:
                if order.job.name not in self.done:
                    outcome = self._post.do(order)
                    if self._told:
                        time.sleep(GRACE)  # killed in the meantime: who returns is not queued again
                        raise SystemExit("told to stop")
                    self.done[order.job.name] = outcome
            return self.done
        finally:
            self._post.leave()

    def checkpoint(self) -> Any:
        """Let the run save; return what is to be queued again. Called by submitit, from a signal handler."""
        from submitit.helpers import DelayedSubmission

        if self._post is not None:
            self._post.stop()
        return DelayedSubmission(Batch(self.orders, gpus=self.gpus, done=self.done))

    def _leave(self, number: int, frame: FrameType | None) -> None:
        self._told = True
        if self._post is not None:
            self._post.stop()


def run_on_slurm(
    jobs: Sequence[Job[Payload]],
    work: Work[Payload],
    *,
    settings: ExecuteConfig,
    label: str,
    ground: CommonGround,
) -> dict[str, str]:
    """Do all jobs in Slurm's queue; see :func:`cocktail.runs.engines.engine.run_jobs`.

    Raises:
        RunError: there is no Slurm here, or it takes no jobs.
    """
    folder = ground.folder / "slurm"  # of scripts, pickled work and logs; nodes read and write there
    queued = executor(folder, settings)
    under_way: list[tuple[Any, Batch[Payload]]] = []

    def hand_out(ordered: Sequence[Job[Payload]], wait: bool) -> Iterator[tuple[Job[Payload], Outcome]]:
        orders = [Order(job, work, wait, 60 * settings.silence_minutes, ground) for job in ordered]
        batches = [Batch(one, gpus=settings.slurm.gpus) for one in dealt(orders, settings.slurm.runs_per_job)]
        for start in range(0, len(batches), ARRAY):
            some = batches[start : start + ARRAY]
            under_way.extend(zip(_submitted(queued, some), some, strict=True))
        write_json(ground.folder / JOBS, {"jobs": [job.job_id for job, _ in under_way]})
        print(f"{label}: {len(batches)} jobs in Slurm's queue, logs in {folder}", file=sys.stderr)
        while under_way:
            for job, batch in [one for one in under_way if one[0].done()]:
                under_way.remove((job, batch))
                outcomes = _outcomes(job, batch)
                yield from ((order.job, outcomes[order.job.name]) for order in batch.orders)
            if under_way:
                time.sleep(max(PAUSE, len(under_way) / LOOKS))

    try:
        return in_two_rounds(jobs, hand_out, label=label)
    except BaseException:
        for job, _ in under_way:
            job.cancel(check=False)
        raise


def dealt(orders: Sequence[Order[Payload]], size: int) -> list[list[Order[Payload]]]:
    """Deal orders, the longest first, to jobs of at most ``size``, so that none gets all the long ones."""
    count = -(-len(orders) // size)
    return [list(orders[start::count]) for start in range(count)]


def executor(folder: Path, settings: ExecuteConfig) -> Any:
    """Return submitit's executor with what each job asks for.

    Raises:
        RunError: this machine has no Slurm, or ``execute.slurm.options`` names what sbatch does not know.
    """
    from submitit import SlurmExecutor

    if shutil.which("srun") is None:
        raise RunError(
            "there is no Slurm here: srun is not found",
            where="execute.engine",
            fix="the command on a login node of the cluster, or execute.engine=local",
        )
    made = SlurmExecutor(folder=folder, max_num_timeout=INTERRUPTS)
    try:
        made.update_parameters(**requests(settings))
    except ValueError as error:
        raise RunError(
            f"no option of sbatch that submitit knows ({first_line(error)})", where="execute.slurm.options"
        ) from None
    return made


def requests(settings: ExecuteConfig) -> dict[str, Any]:
    """Return what each job asks Slurm for, as submitit calls it."""
    slurm = settings.slurm
    asked = {
        "job_name": "cocktail",
        "partition": slurm.partition,
        "account": slurm.account,
        "time": slurm.minutes,
        "cpus_per_task": settings.gpus_per_run if slurm.gpus else 1,
        "gpus_per_node": settings.gpus_per_run if slurm.gpus else None,
        "signal_delay_s": GRACE + 30,  # a run saves within GRACE
        "array_parallelism": settings.workers or ARRAY,
        "additional_parameters": {"requeue": True},
        **slurm.options,
    }
    return {name: value for name, value in asked.items() if value is not None}


def cancel_left(folder: Path) -> None:
    """Cancel the jobs of a driver that died: what they were at goes on in jobs of the new one."""
    try:
        jobs = [str(job) for job in read_json(folder / JOBS)["jobs"]]
    except (RecordError, KeyError, TypeError):
        return
    if jobs and shutil.which("scancel"):
        subprocess.run(["scancel", *jobs], check=False, capture_output=True)


def _submitted(queued: Any, batches: Sequence[Batch[Payload]]) -> list[Any]:
    """Submit batches as one array; return submitit's jobs.

    Raises:
        RunError: the queue refuses them.
    """
    try:
        with queued.batch():
            return [queued.submit(batch) for batch in batches]
    except Exception as error:  # submitit's own types, and those of its subprocess
        raise RunError(
            f"Slurm refuses the jobs: {' '.join(str(error).split()) or type(error).__name__}",
            where="execute.slurm",
            fix="execute.slurm: partition, account, minutes, options that the cluster grants (see sinfo)",
        ) from None


def _outcomes(job: Any, batch: Batch[Payload]) -> dict[str, Outcome]:
    """Return the outcomes of a job's runs; of a job that ended without any, why, for each run."""
    try:
        found: dict[str, Outcome] = job.result()
    except Exception as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        told = RunError(
            f"its job {job.job_id} ended without a result: {' / '.join(lines[:1] + lines[1:][-END_OF_LOG:])}",
            where=str(job.paths.stderr),
            fix="the same command again; if a node does not see that folder: a run store that all see",
        )
        return {order.job.name: str(told) for order in batch.orders}
    return found
