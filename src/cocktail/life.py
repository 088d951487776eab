"""Between a stage and the processes that work for it: signs of life, and the wish to stop.

A worker and the processes that it starts share a file, named in their environment, and touch it where work
goes on: a thread would touch it even if the work hung. A second file beside it says that the work is to
stop. Where training could not go on from, it does not stop: it waits for its next checkpoint. Without such
a file (a stage at work itself, a test) there is nobody to tell.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from cocktail.errors import StoppedError

SIGNS = "COCKTAIL_SIGNS"
STAGE = "DVC_STAGE"  # DVC names the stage here, for every command it starts
GRACE = 60  # seconds from the wish to stop to the end, saved or not
TERMINATED = 128 + signal.SIGTERM  # exit code
PAUSE = 0.1  # seconds between two signs, and two looks

_asked = threading.Event()
_training = threading.Event()
_last = 0.0


def alive(*, first: bool = False) -> None:
    """Give a sign of life, and leave here if the work is to stop; cheap enough for every token.

    Args:
        first: this is the first sign of a piece of work, however short the last one was ago.

    Raises:
        StoppedError: it is to stop.
    """
    if _sign(first=first) and stopping():
        raise StoppedError("stopped by SIGTERM: the same command goes on")


def training_goes_on() -> None:
    """Give a sign of life, after a step of a training that stops at a checkpoint only."""
    _training.set()
    _sign()


def training_ended() -> None:
    """From here on a stage that is told to stop need not wait for a checkpoint."""
    _training.clear()


def stopping() -> bool:
    """Return whether the work is to stop."""
    signs = _signs()
    return _asked.is_set() or (signs is not None and stop_file(signs).exists())


def stop_file(signs: Path) -> Path:
    """Return the file that tells those who share ``signs`` to stop, by being there."""
    return signs.with_suffix(".stop")


@contextmanager
def ticking() -> Iterator[None]:
    """Give signs of life during a library's long call, which says nothing before its end."""
    over = threading.Event()

    def tick() -> None:
        while not over.wait(1.0):
            _sign()

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def work_for(signs: Path) -> None:
    """Be a worker: share ``signs``, and take SIGTERM for the wish to stop."""
    os.environ[SIGNS] = str(signs)
    signal.signal(signal.SIGTERM, _stop_working)


@contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM, and the end of DVC that started this process, end the block with a StoppedError.

    A training ends at its next checkpoint, or after ``GRACE`` seconds without one. To be asked again changes
    nothing: who stops a whole group, and DVC with it, asks twice.
    """
    if os.environ.get(STAGE):
        threading.Thread(target=_stop_with_parent, args=(os.getppid(),), daemon=True).start()
    before = signal.signal(signal.SIGTERM, _stop_stage)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGTERM, before)
        _asked.clear()
        _training.clear()


def _stop_stage(number: int, frame: FrameType | None) -> None:
    if _asked.is_set():
        return
    _asked.set()
    if _training.is_set():
        print("SIGTERM: waiting for the next checkpoint", file=sys.stderr)
        signal.alarm(GRACE)  # nobody takes SIGALRM: it ends the process
        return
    signal.alarm(2 * GRACE)  # should something swallow the error
    raise StoppedError("stopped by SIGTERM: the same command goes on")


def _stop_working(number: int, frame: FrameType | None) -> None:
    _asked.set()
    if signs := _signs():
        with suppress(OSError):
            stop_file(signs).touch()  # for processes that this one started
    signal.alarm(GRACE)


def _stop_with_parent(parent: int) -> None:
    """DVC that is killed alone leaves its stage behind: nobody would take what it makes."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGTERM)


def _signs() -> Path | None:
    named = os.environ.get(SIGNS)
    return Path(named) if named else None


def _sign(*, first: bool = False) -> bool:
    """Touch the file of signs; return False where the last time is not long ago."""
    global _last
    now = time.monotonic()
    if now - _last < PAUSE and not first:
        return False
    _last = now
    if signs := _signs():
        with suppress(OSError):  # the stage, and its folder, are gone
            signs.touch()
    return True
