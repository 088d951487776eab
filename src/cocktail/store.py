"""The run store: finished work, kept outside all outputs of DVC and found again by what it was made of.

DVC empties a stage's output before the stage runs again, so what took hours must live elsewhere. An entry
is a folder named by the digest of everything that decides its content; a changed value is another entry.
Entries appear whole by one rename, hold the digest of each file, and are checked before use. A lock per
key keeps two processes from making the same entry.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from cocktail.errors import BusyError, RecordError, RunError
from cocktail.records import digest_file, fresh_folder, read_json, write_json

DIGESTS = "digests.json"
UNCHECKED = (DIGESTS, "runtime.json")


def store_root() -> Path:
    """Return ``COCKTAIL_STORE``, else ``.store`` in the repository, absolute.

    ``dvc exp run --temp`` and ``--queue`` work in a copy under ``<repository>/.dvc/tmp``; they share the
    store of the repository that they were started in.
    """
    named = os.environ.get("COCKTAIL_STORE")
    if named:
        return Path(named).expanduser().resolve()
    here = Path.cwd().resolve()
    dvc_folder = next((parent for parent in here.parents if parent.name == ".dvc"), None)
    return (dvc_folder.parent if dvc_folder else here) / ".store"


@dataclass(frozen=True)
class Store:
    """Entries below ``root``, as ``<kind>/<first two digits>/<key>``."""

    root: Path

    def path(self, kind: str, key: str) -> Path:
        return self.root / kind / key[:2] / key

    def have(self, kind: str, key: str) -> Path | None:
        """Return the entry's folder, or None if there is none.

        Raises:
            RunError: a file of the entry is missing or is not the one that was stored.
        """
        folder = self.path(kind, key)
        if not folder.is_dir():
            return None
        try:
            digests: dict[str, str] = read_json(folder / DIGESTS)
        except RecordError as error:
            raise RunError("a stored entry is broken", where=error.where, fix=f"rm -r {folder}") from None
        for name, digest in digests.items():
            file = folder / name
            if not file.is_file() or digest_file(file) != digest:
                raise RunError("a stored file was changed", where=str(file), fix=f"rm -r {folder}")
        return folder

    @contextmanager
    def publish(self, kind: str, key: str) -> Iterator[Path]:
        """Yield an empty folder; it becomes the entry, with its digests, if the block ends well."""
        with fresh_folder(self.path(kind, key)) as draft:
            yield draft
            files = sorted(file for file in draft.rglob("*") if file.is_file())
            digests = {file.relative_to(draft).as_posix(): digest_file(file) for file in files}
            write_json(draft / DIGESTS, {n: d for n, d in digests.items() if n not in UNCHECKED})

    @contextmanager
    def lock(self, key: str, *, wait: bool = True) -> Iterator[None]:
        """Hold the key's lock; the system lets go of it when the process dies.

        The lock is the system's own (``flock``): it holds between machines that share the store over NFS 4.

        Raises:
            BusyError: another process holds it, and ``wait`` is false.
        """
        folder = self.root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        # Where the system has no such lock, a soft one would outlive a killed process: an error is better.
        lock = FileLock(folder / f"{key}.lock", fallback_to_soft=False)
        try:
            lock.acquire(blocking=wait)
        except Timeout:
            raise BusyError("another process is at it", where=key) from None
        try:
            yield
        finally:
            lock.release()

    def sweep(self, kind: str, key: str) -> None:
        """Take away drafts of an entry that killed processes left; only under the key's lock."""
        for draft in self.path(kind, key).parent.glob(f".{key}.*.tmp"):
            shutil.rmtree(draft, ignore_errors=True)

    def note_failure(self, key: str, facts: Mapping[str, Any]) -> Path:
        """Write why a run failed; :meth:`forget_failure` takes it away when it did not fail again."""
        note = self._failure(key)
        write_json(note, facts)
        return note

    def forget_failure(self, key: str) -> None:
        self._failure(key).unlink(missing_ok=True)

    def _failure(self, key: str) -> Path:
        return self.root / "failed" / f"{key}.json"


def write_runtime(folder: Path, facts: dict[str, Any]) -> None:
    """Write what differs between machines (seconds, memory, host): it stays in the store."""
    write_json(folder / "runtime.json", facts)


def read_runtime(folder: Path) -> dict[str, Any]:
    """Return what :func:`write_runtime` wrote; nothing where it is missing or broken: no result needs it."""
    try:
        found: dict[str, Any] = read_json(folder / "runtime.json")
    except RecordError:
        return {}
    return found
