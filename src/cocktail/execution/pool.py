"""The local executor: preloaded worker processes that take the longest job first.

Importing the training libraries takes seconds, so a worker imports them once for all its jobs. On CPU a
fork server imports them once for all workers; where there are GPUs each worker is a fresh process with GPUs
of its own, because a CUDA context does not survive a fork. One worker has one thread: only then are weights
bit-identical whichever worker trains them.

Each worker is a pool of one, so that a process that is killed takes its own job with it and no other.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Generic, TypeVar

from cocktail.errors import BusyError, CocktailError, RunError
from cocktail.execution.environment import WORKER_SETTINGS, environment, visible_gpus
from cocktail.execution.progress import progress

PRELOAD = ["cocktail.training.sft", "cocktail.inference.answer", "cocktail.inference.generate"]
Payload = TypeVar("Payload")


@dataclass(frozen=True)
class Job(Generic[Payload]):
    """Work for one process: ``size`` orders the jobs and weights the progress bar."""

    name: str
    size: int
    payload: Payload


def run_jobs(
    jobs: Sequence[Job[Payload]],
    work: Callable[[Payload, bool], None],
    *,
    workers: int | None,
    label: str,
    gpus_per_worker: int = 1,
) -> dict[str, str]:
    """Do all jobs and return the reasons of those that failed, by name; the others go on.

    Args:
        work: a function of a module; called in a worker process with a payload and whether to wait. Not to
            wait means: raise :class:`BusyError` if another process is at it. Such a job is put off until
            all others are done, and then waited for.
        workers: processes; None: as many as the GPUs suffice for, else one per CPU core.
        label: what the progress bar says.
    """
    if not jobs:
        return {}
    gpus = visible_gpus()
    groups = _gpu_groups(gpus, gpus_per_worker)
    if gpus and not groups:
        raise RunError(
            f"execute.gpus_per_run is {gpus_per_worker}, but only {len(gpus)} GPUs are visible",
            fix="a smaller execute.gpus_per_run",
        )
    count = min(workers or len(groups) or os.cpu_count() or 1, len(jobs))
    failed: dict[str, str] = {}
    free: SimpleQueue[_Worker] = SimpleQueue()
    hired = [_Worker(groups[n % len(groups)] if groups else ()) for n in range(count)]
    for worker in hired:
        free.put(worker)

    def do(job: Job[Payload], wait: bool) -> str | None:
        worker = free.get()
        try:
            return worker.do(work, job.payload, wait)
        finally:
            free.put(worker)

    with environment(WORKER_SETTINGS), ThreadPoolExecutor(count) as threads, progress(jobs, label) as report:
        try:
            ordered = sorted(jobs, key=lambda job: (-job.size, job.name))
            for wait in (False, True):
                pending = {threads.submit(do, job, wait): job for job in ordered}
                ordered = []
                for future in as_completed(pending):
                    job, reason = pending[future], future.result()
                    if reason is None and not wait:
                        ordered.append(job)
                        continue
                    if reason is None:
                        reason = "another process is at it, and does not end"
                    if reason:
                        failed[job.name] = reason
                    report(job, reason)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)  # after an error: start nothing more
            for worker in hired:
                worker.leave()
    return failed


@dataclass
class _Worker:
    """One process with its GPUs; made at its first job, and anew after it was killed."""

    gpus: tuple[str, ...]
    process: ProcessPoolExecutor | None = field(default=None)

    def do(self, work: Callable[[Payload, bool], None], payload: Payload, wait: bool) -> str | None:
        """Do one job; return why it failed, "" if it did not, None if another process is at it."""
        if self.process is None:
            context = multiprocessing.get_context("spawn" if self.gpus else "forkserver")
            if not self.gpus:
                context.set_forkserver_preload(PRELOAD)
            self.process = ProcessPoolExecutor(
                1, mp_context=context, initializer=_start_worker, initargs=(self.gpus,)
            )
        try:
            return self.process.submit(_guarded, work, payload, wait).result()
        except BrokenProcessPool:
            self.leave()
            return str(
                RunError(
                    "the worker process was killed (out of memory?)",
                    fix="the same command again, with fewer execute.workers if memory ran out",
                )
            )

    def leave(self) -> None:
        if self.process is not None:
            self.process.shutdown(cancel_futures=True)
            self.process = None


def _guarded(work: Callable[[Payload, bool], None], payload: Payload, wait: bool) -> str | None:
    """In the worker: do one job; see :meth:`_Worker.do`."""
    try:
        work(payload, wait)
    except BusyError:
        return None
    except CocktailError as error:
        return str(error)
    except Exception as error:  # whatever a library throws at one run must not stop the others
        traceback.print_exc()
        return f"{type(error).__name__}: {error}"
    return ""


def _gpu_groups(gpus: Sequence[str], size: int) -> list[tuple[str, ...]]:
    """GPUs in groups of ``size``; those left over do nothing."""
    return [tuple(gpus[start : start + size]) for start in range(0, len(gpus) - size + 1, size)]


def _start_worker(gpus: Sequence[str]) -> None:
    """Take the GPUs, if there are any, and one thread; go when the stage is gone."""
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    if gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    from cocktail.training.device import limit_threads  # after the choice of the GPUs

    limit_threads(1)
    gc.freeze()  # a trainer collects garbage at its end: among all imported objects that takes 0.2 s a run


def _leave_with_parent() -> None:
    """End this process when the one that wanted its work was killed: nobody would take the results."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
