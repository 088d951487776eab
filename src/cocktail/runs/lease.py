"""GPUs are leased, so that two stages on one machine never share one unasked.

A lease is the system's lock on a file named after the GPU; it ends with the process that holds it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

LEASES = Path("/tmp")  # of the machine, whatever TMPDIR says: who looks elsewhere sees no lease
PAUSE = 2.0  # seconds between two tries
Group = tuple[str, ...]


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
