"""A worker: one process that does one job after another, watched by a thread of the stage.

Each is a pool of one, so that a process that is killed takes its own job with it and no other.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import forkserver, util
from pathlib import Path

from cocktail.errors import BusyError, CocktailError, RunError, StoppedError
from cocktail.life import GRACE, alive, stop_file, work_for
from cocktail.runs.rounds import Outcome, Payload, Work

PRELOAD = ["cocktail.training.sft", "cocktail.inference.answer", "cocktail.inference.generate"]
HEAD_START = 600.0  # seconds in which a new process imports its libraries, without a sign of life
LONGEST_TMPDIR = 70  # bytes: multiprocessing adds 32 to them
LOOK = 0.2  # seconds between two looks at a worker


class SilentError(Exception):
    """The process gave no sign of life, and was ended."""


@dataclass
class Worker:
    """One process with its GPUs; made at its first job, and anew after it was killed or told to stop.

    Attributes:
        signs: the file that the process touches while its work goes on.
        silence: seconds without such a sign after which it is ended.
    """

    gpus: tuple[str, ...]
    signs: Path
    silence: float
    _process: ProcessPoolExecutor | None = field(default=None, init=False)
    _stopped: float | None = field(default=None, init=False)

    def do(self, work: Work[Payload], payload: Payload, wait: bool, *, name: str) -> Outcome:
        """Do one job.

        Args:
            name: what people know the job by.
        """
        told = f"no sign of life for {self.silence / 60:.3g} minutes (execute.silence_minutes)"
        for last in (False, True):
            try:
                return self._try(work, payload, wait)
            except SilentError:
                if not last:
                    print(f"{name}: {told}: its worker is ended, and it is tried again", file=sys.stderr)
            except BrokenProcessPool:
                return str(
                    RunError(
                        "the worker process was killed, or ended itself (out of memory?)",
                        fix="the same command again, with fewer execute.workers if memory ran out",
                    )
                )
        return str(RunError(f"{told}, twice", fix="the same command again, or a longer time"))

    def stop(self) -> None:
        """Tell the process to stop; after ``GRACE`` seconds it is ended."""
        self._stopped = time.monotonic()
        stop_file(self.signs).touch()

    def leave(self) -> None:
        """Wait for the end of the job, and end the process."""
        process = self._process
        if process is not None:
            process.shutdown(cancel_futures=True)
            self._process = None

    def _try(self, work: Work[Payload], payload: Payload, wait: bool) -> Outcome:
        if stop_file(self.signs).exists():  # somebody told this one process to stop, and it may still end
            self.leave()
            stop_file(self.signs).unlink()
        if self._stopped is not None:
            return "stopped"
        if self._process is None:
            context = multiprocessing.get_context("spawn" if self.gpus else "forkserver")
            self._process = ProcessPoolExecutor(
                1, mp_context=context, initializer=_start, initargs=(self.gpus, self.signs)
            )
        try:
            return self._watched(self._process.submit(_guarded, work, payload, wait))
        except (BrokenProcessPool, SilentError):
            self.leave()
            raise

    def _watched(self, future: Future[Outcome]) -> Outcome:
        self.signs.touch()
        os.utime(self.signs, (0, 0))  # whenever the first sign is given, it will differ
        seen, heard = 0, time.monotonic() + HEAD_START
        while True:
            with suppress(TimeoutError):
                return future.result(timeout=LOOK)
            now, touched = time.monotonic(), self.signs.stat().st_mtime_ns
            if touched != seen:
                seen, heard = touched, now
            if self._stopped is not None and now - self._stopped > GRACE:
                self._kill()
            elif self._stopped is None and now - heard > self.silence:
                self._kill()
                raise SilentError

    def _kill(self) -> None:
        """End the process whatever it is at, also one that is held (SIGSTOP)."""
        processes = self._process._processes if self._process else None  # Python 3.14 has kill_workers
        for process in list((processes or {}).values()):
            process.kill()


def start_fork_server() -> None:
    """Start the process that workers without GPUs are forked from.

    SIGTERM to the whole group must not end it: with it the workers would go before they have saved.
    """
    _shorten_sockets()
    multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOAD)
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGTERM, before)


def _shorten_sockets() -> None:
    """Put the processes' sockets into /tmp where TMPDIR is long: the system cuts their paths at 107 bytes."""
    before = tempfile.tempdir
    if len(os.fsencode(tempfile.gettempdir())) > LONGEST_TMPDIR:
        tempfile.tempdir = "/tmp"
    try:
        util.get_temp_dir()  # remembers it for this process
    finally:
        tempfile.tempdir = before


def _guarded(work: Work[Payload], payload: Payload, wait: bool) -> Outcome:
    """In the process: do one job; see :meth:`Worker.do`."""
    try:
        alive(first=True)
        work(payload, wait)
    except BusyError:
        return None
    except (CocktailError, StoppedError) as error:
        return str(error)
    except SystemExit as error:
        return f"the run ended its process (exit code {error.code})"
    except Exception as error:  # whatever a library throws at one run must not stop the others
        traceback.print_exc()
        return f"{type(error).__name__}: {error}"
    return ""


def _start(gpus: Sequence[str], signs: Path) -> None:
    """Take the GPUs, if there are any, and one thread; go when the stage is gone."""
    work_for(signs)
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
