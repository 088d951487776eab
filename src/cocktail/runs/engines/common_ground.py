"""What the machines of an engine must have in common, held against each of them before it works.

The stage (the driver) keeps a folder in the run store while it lives, with a file that each node must see and
a lock that each node must find taken: a file system whose locks end at the machine would let two nodes make
one run. Base and prepared data are told by digest, libraries by version.
"""

from __future__ import annotations

import os
import platform
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError
from pathlib import Path

from cocktail.errors import BusyError, RecordError, RunError
from cocktail.files.records import digest_file, read_json, write_json
from cocktail.files.store import Store
from cocktail.training.keys import ANSWERING_RULES, TRAINING_LIBRARIES, TRAINING_RULES, versions

DRIVER = "driver.json"
KIND = "engines"  # folder of the store


@dataclass(frozen=True)
class CommonGround:
    """What a node is held against; small, for it travels with every job.

    Attributes:
        word: the name of the driver's folder and lock, told nowhere else.
        files: path and digest of files that decide what a run is made of.
        libraries: what is installed here, by name.
    """

    store: Store
    word: str
    files: tuple[tuple[Path, str], ...]
    libraries: tuple[tuple[str, str], ...]

    @property
    def folder(self) -> Path:
        return _folder(self.store) / self.word


@contextmanager
def common_ground(
    store: Store, files: Sequence[Path], *, left: Callable[[Path], None] = lambda _: None
) -> Iterator[CommonGround]:
    """Keep the driver's folder and lock for the length of the block; it stays where the block ends badly.

    Args:
        left: called with the folder of each driver that died, before that is taken away.
    """
    ground = CommonGround(
        store,
        secrets.token_hex(8),
        tuple((path.resolve(), digest_file(path)) for path in files),
        tuple(sorted(installed().items())),
    )
    _sweep(store, left)
    with store.lock(_lock(ground.word)):
        write_json(ground.folder / DRIVER, {"host": platform.node(), "process": os.getpid()})
        yield ground
        shutil.rmtree(ground.folder, ignore_errors=True)
    _lock_file(store, ground.word).unlink(missing_ok=True)


def check_here(ground: CommonGround) -> None:
    """Refuse to work on this machine if it differs from the driver's in what counts.

    Raises:
        RunError: it does; who, in what, and what mends it.
    """
    _check_once(ground)


@lru_cache(maxsize=4)  # a process of a node is asked before each job
def _check_once(ground: CommonGround) -> None:
    _check_folder(ground)
    for path, digest in ground.files:
        if not path.is_file() or digest_file(path) != digest:
            raise _refusal("it does not see this file as the driver does", path)
    here, there = installed(), dict(ground.libraries)
    other = [
        f"{name} {here.get(name, '-')} (driver: {there[name]})"
        for name in there
        if here.get(name) != there[name]
    ]
    if other:
        raise RunError(
            f"node {platform.node()} has other libraries than the driver: {', '.join(other)}",
            fix="the same commit and requirements.lock on every machine",
        )


def installed() -> dict[str, str]:
    """Return what decides a run's bytes beside its own settings: versions of libraries, and of our rules."""
    try:
        libraries = versions(TRAINING_LIBRARIES)
    except PackageNotFoundError as error:
        raise RunError(
            f"node {platform.node()} lacks a library: {error.name}", fix="requirements.lock on every machine"
        ) from None
    return {
        **libraries,
        "python": ".".join(platform.python_version_tuple()[:2]),
        "cocktail's rules of training": str(max(TRAINING_RULES)),
        "cocktail's rules of answering": str(max(ANSWERING_RULES)),
    }


def _check_folder(ground: CommonGround) -> None:
    try:
        read_json(ground.folder / DRIVER)
        mine = ground.folder / f"{platform.node()}-{os.getpid()}"
        mine.touch()
        mine.unlink()
    except RecordError:
        raise _refusal("it does not see the driver's run store", ground.folder / DRIVER) from None
    except OSError as error:
        raise _refusal(f"it cannot write into the run store ({error.strerror})", ground.folder) from None
    try:
        with ground.store.lock(_lock(ground.word), wait=False):
            pass
    except BusyError:
        return  # as it should be
    raise RunError(
        f"node {platform.node()} finds the driver's lock free: the driver is gone, or locks on this file "
        "system do not hold between machines, and two nodes could make one run",
        where=str(ground.store.root),
        fix="COCKTAIL_STORE on a file system with locks: NFS 4, Lustre with flock, CephFS, GPFS",
    )


def _refusal(what: str, where: Path) -> RunError:
    return RunError(
        f"node {platform.node()} cannot work for this study: {what}",
        where=str(where),
        fix="mount run store (COCKTAIL_STORE), base and prepared data on every machine, under the same path",
    )


def _sweep(store: Store, left: Callable[[Path], None]) -> None:
    """Take away the folders of drivers that died; a living one holds its lock."""
    for folder in sorted(_folder(store).glob("*/")):
        try:
            with store.lock(_lock(folder.name), wait=False):
                left(folder)
                shutil.rmtree(folder, ignore_errors=True)
        except BusyError:
            continue
        _lock_file(store, folder.name).unlink(missing_ok=True)


def _folder(store: Store) -> Path:
    return store.root / KIND


def _lock(word: str) -> str:
    return f"engine-{word}"


def _lock_file(store: Store, word: str) -> Path:
    return store.root / "locks" / f"{_lock(word)}.lock"
