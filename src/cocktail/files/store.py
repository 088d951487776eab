"""The run store: finished work, kept outside all outputs of DVC and found again by what it was made of.

DVC empties a stage's output before the stage runs again, so what took hours must live elsewhere. An entry
is a folder named by the digest of everything that decides its content; a changed value is another entry.
Entries appear whole by one rename, hold the digest of each file, and are checked before use: a broken one
is set aside and made again. A lock per key keeps two processes from making the same entry.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from cocktail.errors import BusyError, RecordError, RunError, first_line
from cocktail.files.records import DIGESTS, UNCHECKED, digest_file, fresh_folder, read_json, write_json
from cocktail.life import alive

MODE = "COCKTAIL_STORE_MODE"


def store_root() -> Path:
    """Return ``COCKTAIL_STORE``, else ``.store`` in the repository, absolute.

    ``dvc exp run --temp`` and ``--queue`` work in a copy under ``<repository>/.dvc/tmp``; they share the
    store of the repository that they were started in.
    """
    _share()
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
        """Return the entry's folder, or None if there is none; a broken one is set aside, and is none.

        Raises:
            RunError: the entry is broken and cannot be set aside.
        """
        folder = self.path(kind, key)
        if not folder.is_dir():
            return None
        return set_aside(self.root, folder, fault_of) if fault_of(folder) else folder

    @contextmanager
    def publish(self, kind: str, key: str) -> Iterator[Path]:
        """Yield an empty folder; it becomes the entry, with its digests, if the block ends well.

        Only under the key's lock: drafts that killed processes left are taken away first.
        """
        for left in self.path(kind, key).parent.glob(f".{key}.*.tmp"):
            shutil.rmtree(left, ignore_errors=True)
        with fresh_folder(self.path(kind, key)) as draft:
            yield draft
            write_json(draft / DIGESTS, _digests(draft))
            _open_up(draft)

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
        mode = folder.stat().st_mode & 0o666  # who may write into the store may take its locks
        lock = FileLock(folder / f"{key}.lock", mode=mode, fallback_to_soft=False)
        try:
            lock.acquire(blocking=wait, cancel_check=_give_up)
        except Timeout:
            raise BusyError("another process is at it", where=key) from None
        try:
            yield
        finally:
            lock.release()

    def note_failure(self, key: str, facts: Mapping[str, Any]) -> None:
        """Write why a run failed; :meth:`forget_failure` takes it away when it did not fail again."""
        write_json(self._failure(key), facts)

    def forget_failure(self, key: str) -> None:
        self._failure(key).unlink(missing_ok=True)

    def _failure(self, key: str) -> Path:
        return self.root / "failed" / f"{key}.json"


def _share() -> None:
    """Let others use what this process writes, as far as ``COCKTAIL_STORE_MODE`` says (660: the group).

    Raises:
        RunError: it is no mode of files.
    """
    named = os.environ.get(MODE)
    if not named:
        return
    if not re.fullmatch(r"0?[67][0-7][0-7]", named):
        raise RunError(f"no mode of files: {named!r}", where=MODE, fix=f"{MODE}=660, or 644; else unset it")
    os.umask(0o777 & ~(int(named, 8) | (int(named, 8) & 0o444) >> 2))  # who may read may enter folders


def _open_up(folder: Path) -> None:
    """Give files the mode that other files get here: libraries write weights for nobody but this user."""
    mode = folder.stat().st_mode & 0o666
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            file.chmod(mode)


def _give_up() -> bool:
    """Never; but who waits for another process is alive, and may be told to stop."""
    alive()
    return False


def set_aside(root: Path, path: Path, look: Callable[[Path], str | None]) -> Path | None:
    """Move what is broken from ``root/<kind>/<digits>/`` to ``root/broken/<kind>/`` and say so on stderr.

    Args:
        look: says what is wrong with it; nothing if nothing is.

    Returns:
        ``path`` if another process has made it anew in between, else None.

    Raises:
        RunError: the store cannot be written.
    """
    kind = path.parents[1].relative_to(root)
    aside = root / "broken" / kind / f"{path.stem}-{secrets.token_hex(4)}{path.suffix}"
    try:
        aside.parent.mkdir(parents=True, exist_ok=True)
        path.rename(aside)
    except FileNotFoundError:  # another process was faster
        return None
    except OSError as error:
        raise RunError(
            f"broken, and it cannot be set aside ({error.strerror})", where=str(path), fix=f"rm -r {path}"
        ) from None
    fault = look(aside)
    if not fault:
        with suppress(OSError):  # there again already
            aside.rename(path)
        return path
    print(f"store: {path} is broken ({fault}): set aside as {aside}, and made again", file=sys.stderr)
    return None


def fault_of(entry: Path) -> str | None:
    """Return what is wrong with an entry, None if it is whole."""
    try:
        recorded, found = read_json(entry / DIGESTS), _digests(entry)
    except (RecordError, OSError) as error:
        return first_line(error)
    if not recorded or not isinstance(recorded, dict):
        return f"{DIGESTS} lists nothing"
    wrong = sorted(name for name in recorded | found if recorded.get(name) != found.get(name))
    return f"{wrong[0]} is not what was stored" if wrong else None


def _digests(entry: Path) -> dict[str, str]:
    """The digest of every file that counts; hidden ones are of file systems, such as NFS."""
    files = sorted(file for file in entry.rglob("[!.]*") if file.is_file())
    digests = {file.relative_to(entry).as_posix(): digest_file(file) for file in files}
    return {name: digest for name, digest in digests.items() if name not in UNCHECKED}


def write_runtime(folder: Path, facts: dict[str, Any]) -> None:
    """Write what differs between machines (seconds, memory, host): it stays in the store."""
    write_json(folder / "runtime.json", facts)


def read_runtime(folder: Path) -> dict[str, Any]:
    """Return what :func:`write_runtime` wrote; nothing if it cannot be read: no result hangs on it."""
    try:
        facts = read_json(folder / "runtime.json")
    except RecordError:
        return {}
    return facts if isinstance(facts, dict) else {}
