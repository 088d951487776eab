"""On a node: one worker process, as the local pool has them, behind a thread that waits for it.

So a node keeps all that the pool keeps: a run that kills its process fails alone, one that falls silent is
tried again, and one that is told to stop saves first. The main thread stays free to be told.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Generic

from cocktail.errors import RunError
from cocktail.runs.engines.common_ground import CommonGround, check_here
from cocktail.runs.rounds import Job, Outcome, Payload, Work
from cocktail.runs.worker import Worker, start_fork_server
from cocktail.training.environment import WORKER_SETTINGS, environment

LOOK = 0.2  # seconds between two looks at a job; a signal is heard in between


@dataclass(frozen=True)
class Order(Generic[Payload]):
    """One job, with all that a node must know to do it.

    Attributes:
        silence: seconds without a sign of life after which the job's process is ended.
    """

    job: Job[Payload]
    work: Work[Payload]
    wait: bool
    silence: float
    ground: CommonGround


class Post:
    """A worker process of this machine with its GPUs; started with its first job."""

    def __init__(self, gpus: tuple[str, ...], silence: float) -> None:
        self.gpus, self.silence = gpus, silence
        self._folder = TemporaryDirectory(prefix="cocktail-")
        self._worker = Worker(gpus, Path(self._folder.name, "0"), silence)
        self._thread = ThreadPoolExecutor(1)
        self._doing: Future[Outcome] | None = None
        if not gpus:
            with environment(WORKER_SETTINGS):  # what is forked later has them, too
                start_fork_server()

    def do(self, order: Order[Payload]) -> Outcome:
        """Do a job and return its outcome; where an exception comes in between, let the job save first."""
        try:
            check_here(order.ground)
        except RunError as error:
            return str(error)
        with environment(WORKER_SETTINGS):
            job = order.job
            self._doing = self._thread.submit(
                self._worker.do, order.work, job.payload, order.wait, name=job.name
            )
            try:
                _wait(self._doing)
            except BaseException:
                self.stop()
                raise
            return self._doing.result()

    def stop(self) -> None:
        """Let the job that is under way save, and wait for its end; no other is taken up."""
        self._worker.stop()
        if self._doing is not None:
            _wait(self._doing)

    def leave(self) -> None:
        """End the process."""
        self._worker.leave()
        self._thread.shutdown()
        self._folder.cleanup()


def _wait(doing: Future[Outcome]) -> None:
    """Wait for the end of the job, never long at a time, so that a signal is heard."""
    while not doing.done():
        with suppress(TimeoutError):
            doing.exception(timeout=LOOK)
