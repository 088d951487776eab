"""The engine ``local``: preloaded worker processes that take the longest job first, on GPUs that are leased.

Importing the training libraries takes seconds, so a worker imports them once for all its jobs. On CPU a
fork server imports them once for all workers; where there are GPUs each worker is a fresh process with GPUs
of its own, because a CUDA context does not survive a fork. One worker has one thread: only then are weights
bit-identical whichever worker trains them.

GPUs are leased, so that two stages on one machine never share one unasked. A lease is the system's lock on a
file named after the GPU; it ends with the process that holds it.

When the stage is told to stop, it starts nothing more, tells its workers, and waits for them to save.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory

from filelock import FileLock, Timeout

from cocktail.errors import RunError
from cocktail.runs.rounds import Job, Outcome, Payload, Work, in_two_rounds
from cocktail.runs.worker import Worker, start_fork_server
from cocktail.training.environment import WORKER_SETTINGS, environment, visible_gpus

LEASES = Path("/tmp")  # of the machine, whatever TMPDIR says: who looks elsewhere sees no lease
PAUSE = 2.0  # seconds between two tries
Group = tuple[str, ...]


def run_jobs(
    jobs: Sequence[Job[Payload]],
    work: Work[Payload],
    *,
    workers: int | None,
    label: str,
    gpus_per_worker: int = 1,
    silence: float = math.inf,
) -> dict[str, str]:
    """Do all jobs and return the reasons of those that failed, by name; the others go on.

    Args:
        workers: processes; None: as many as the GPUs suffice for, else one per CPU core. Of GPUs that
            another stage on this machine uses none is taken; if there is no other, it is waited for.
        label: what the progress bar says.
        silence: seconds after which a worker without a sign of life is ended, and its job tried once more.
    """
    if not jobs:
        return {}
    gpus = visible_gpus()
    groups = _gpu_groups(gpus, gpus_per_worker) if gpus else [()]
    if not groups:
        raise RunError(
            f"execute.gpus_per_run is {gpus_per_worker}, but only {len(gpus)} GPUs are visible",
            fix="a smaller execute.gpus_per_run",
        )
    count = min(workers or (len(groups) if gpus else os.cpu_count() or 1), len(jobs))
    most = min(count, len(groups))
    with leased(groups, most=most, label=label) as held, environment(WORKER_SETTINGS):
        count = max(count * len(held) // most, 1)  # where others have GPUs, as many workers a GPU as else
        if not gpus:
            start_fork_server()
        with TemporaryDirectory(prefix="cocktail-") as signs:
            pool = [Worker(held[n % len(held)], Path(signs, str(n)), silence) for n in range(count)]
            return _shared_out(jobs, work, pool, label=label)


def _shared_out(
    jobs: Sequence[Job[Payload]],
    work: Work[Payload],
    pool: Sequence[Worker],
    *,
    label: str,
) -> dict[str, str]:
    """Let the workers do all jobs; see :func:`run_jobs`."""
    free: SimpleQueue[Worker] = SimpleQueue()

    def do(job: Job[Payload], wait: bool) -> Outcome:
        worker = free.get()
        try:
            return worker.do(work, job.payload, wait, name=job.name)
        finally:
            free.put(worker)

    for worker in pool:
        free.put(worker)
    with ThreadPoolExecutor(len(pool)) as threads:

        def hand_out(ordered: Sequence[Job[Payload]], wait: bool) -> Iterator[tuple[Job[Payload], Outcome]]:
            pending = {threads.submit(do, job, wait): job for job in ordered}
            for future in as_completed(pending):
                yield pending[future], future.result()

        try:
            return in_two_rounds(jobs, hand_out, label=label)
        except BaseException:
            for worker in pool:
                worker.stop()
            raise
        finally:
            threads.shutdown(cancel_futures=True)  # after an error: start nothing more
            for worker in pool:
                worker.leave()


def _gpu_groups(gpus: Sequence[str], size: int) -> list[tuple[str, ...]]:
    """GPUs in groups of ``size``; those left over do nothing."""
    return [tuple(gpus[start : start + size]) for start in range(0, len(gpus) - size + 1, size)]


@contextmanager
def leased(groups: Sequence[Group], *, most: int, label: str) -> Iterator[list[Group]]:
    """Yield groups of GPUs that no other stage has, and hold them to the end of the block.

    While there is none, waits, and says so once on stderr.

    Args:
        groups: at least one.
        most: how many to take.
        label: who asks.
    """
    told = False
    while True:
        with ExitStack() as leases:
            free: list[Group] = []
            for group in groups:
                if len(free) < most and (lease := _lease(group)):
                    leases.enter_context(lease)
                    free.append(group)
            if free:
                yield free
                return
        if not told:
            told = True
            print(f"{label}: all GPUs are taken by other stages ({_folder()}); waiting", file=sys.stderr)
        time.sleep(PAUSE)


def _lease(group: Group) -> ExitStack | None:
    """Take all GPUs of a group, or none."""
    with ExitStack() as taken:
        for gpu in group:
            lock = FileLock(_folder() / f"{gpu.replace('/', '_')}.lock", fallback_to_soft=False)
            try:
                taken.enter_context(lock.acquire(blocking=False))
            except Timeout:
                return None
        return taken.pop_all()


def _folder() -> Path:
    """A folder of this user: files of others in /tmp cannot be opened for writing."""
    folder = LEASES / f"cocktail-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
