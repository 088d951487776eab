"""The local executor: preloaded worker processes that take the longest job first.

Importing the training libraries takes seconds, so a worker imports them once for all its jobs. On CPU a
fork server imports them once for all workers; where there are GPUs each worker is a fresh process with one
GPU of its own, because a CUDA context does not survive a fork. One worker has one thread: only then are
weights bit-identical whichever worker trains them.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from typing import Generic, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from cocktail.errors import CocktailError, RunError
from cocktail.execution.environment import WORKER_SETTINGS, visible_gpus

PRELOAD = ["cocktail.training.sft", "cocktail.inference.answer"]
Payload = TypeVar("Payload")


@dataclass(frozen=True)
class Job(Generic[Payload]):
    """Work for one process: ``size`` orders the jobs and weights the progress bar."""

    name: str
    size: int
    payload: Payload


def run_jobs(
    jobs: Sequence[Job[Payload]], work: Callable[[Payload], None], *, workers: int | None, label: str
) -> dict[str, str]:
    """Do all jobs and return the reasons of those that failed, by name; the others go on.

    Args:
        work: a function of a module; called in a worker process.
        workers: processes; None: one per GPU, else one per CPU core.
        label: what the progress bar says.

    Raises:
        RunError: a worker was killed.
    """
    if not jobs:
        return {}
    gpus = visible_gpus()
    count = min(workers or len(gpus) or os.cpu_count() or 1, len(jobs))
    failed: dict[str, str] = {}
    with _environment(WORKER_SETTINGS), _pool(count, gpus) as pool, _progress(jobs, label) as report:
        ordered = sorted(jobs, key=lambda job: (-job.size, job.name))
        pending = {pool.submit(_guarded, work, job.payload): job for job in ordered}
        try:
            for future in as_completed(pending):
                job, reason = pending[future], future.result()
                if reason:
                    failed[job.name] = reason
                report(job, reason)
        except BrokenProcessPool:
            unfinished = [job.name for future, job in pending.items() if future.exception()]
            raise RunError(
                "a worker process was killed (out of memory?)",
                where=f"one of the runs {', '.join(unfinished)}",
                fix="the same command again (finished runs are in the store), with fewer execute.workers",
            ) from None
    return failed


def _guarded(work: Callable[[Payload], None], payload: Payload) -> str:
    """Do one job; return why it failed, "" if it did not."""
    try:
        work(payload)
    except CocktailError as error:
        return str(error)
    except Exception as error:  # whatever a library throws at one run must not stop the others
        traceback.print_exc()
        return f"{type(error).__name__}: {error}"
    return ""


@contextmanager
def _pool(count: int, gpus: Sequence[str]) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of ``count`` workers that have imported everything before their first job."""
    context = multiprocessing.get_context("spawn" if gpus else "forkserver")
    if not gpus:
        context.set_forkserver_preload(PRELOAD)
    cards = context.SimpleQueue()
    for worker in range(count):
        cards.put(gpus[worker % len(gpus)] if gpus else "")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_start_worker, initargs=(cards,))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker(cards: SimpleQueue[str]) -> None:
    """Take a GPU, if there are any, and one thread; go when the stage is gone."""
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    card = cards.get()
    if card:
        os.environ["CUDA_VISIBLE_DEVICES"] = card
    from cocktail.training.device import limit_threads  # after the choice of the GPU

    limit_threads(1)
    gc.freeze()  # a trainer collects garbage at its end: among all imported objects that takes 0.2 s a run


def _leave_with_parent() -> None:
    """End this process when the one that wanted its work was killed: nobody would take the results."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the processes that start within the block."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _progress(jobs: Sequence[Job[Payload]], label: str) -> Iterator[Callable[[Job[Payload], str], None]]:
    """Yield a function to call after each job: a bar with the time left, or lines without a terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[last]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(label, total=sum(job.size for job in jobs), last="")
        finished = 0

        def report(job: Job[Payload], reason: str) -> None:
            nonlocal finished
            finished += 1
            verdict = f"FAILED: {reason.splitlines()[0]}" if reason else "done"
            line = f"{label}: {finished}/{len(jobs)} {job.name} {verdict}"
            bar.update(task, advance=job.size, last=f"{finished}/{len(jobs)} {job.name}")
            if reason or not console.is_terminal:
                console.print(line, markup=False, highlight=False, soft_wrap=True)

        yield report
