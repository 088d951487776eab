"""A ``dvc.lock`` that a kill left half written. DVC writes it in place, and with half of it no command runs.

Each stage puts a copy aside when it begins, since no DVC writes then; ``cocktail mend`` restores it.
"""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

LOCK, ASIDE = Path("dvc.lock"), Path(".dvc/tmp/cocktail/dvc.lock")  # git and DVC ignore .dvc/tmp
RWLOCK = Path(".dvc/tmp/rwlock")  # JSON, written in place, too: which processes use which files
DEEPEST = 100  # brackets or dashes within each other
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # six times as fast, where it was built


def put_aside() -> None:
    """Copy ``dvc.lock`` aside where it can be read and is not the copy already."""
    if not Path(".dvc").is_dir():
        return
    with suppress(OSError):  # a stage does not fail for want of a copy
        lock = LOCK.read_bytes()
        if lock != _read(ASIDE) and isinstance((_parse(lock) or {}).get("stages"), dict):
            _write(ASIDE, lock)


def mend() -> str:
    """Restore a ``dvc.lock`` that is not whole, keep what there was; remove a list of processes that is not.

    Return what was done.
    """
    return "; ".join(filter(None, (_mend_lock(), _mend_rwlock())))


def _mend_rwlock() -> str:
    """Half of it stops every command; of processes that are gone DVC keeps nothing there."""
    listed = _read(RWLOCK)
    if listed is None:
        return ""
    try:
        json.loads(listed)
    except ValueError:  # UnicodeDecodeError is one of these
        RWLOCK.unlink()
        return f"{RWLOCK} is not whole, and removed"
    return ""


def _mend_lock() -> str:
    torn = _read(LOCK)
    if torn is None:
        return f"no {LOCK} here: nothing to mend"
    if is_whole(torn):
        return f"{LOCK} is whole"
    kept = ASIDE.with_name(f"torn-{sha256(torn).hexdigest()[:8]}.lock")
    _write(kept, torn)
    found = f"{LOCK} is not whole; what there was is now {kept}"
    for origin, lock in (("the copy that the last stage put aside", _read(ASIDE)), ("git's HEAD", _of_git())):
        if lock is not None and is_whole(lock):
            _write(LOCK, lock)
            return f"{found}; restored from {origin}"
    LOCK.unlink()
    return (
        f"{found}; no stage had put a copy aside and git has none, so {LOCK} is removed: "
        "the next `dvc repro` goes through all stages, but trains no run again that the store has"
    )


def is_whole(lock: bytes) -> bool:
    """Tell whether DVC would read it, and wrote it to its end, a line break: half a digest looks like one."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA  # imports much of DVC, which stages do not need
    from voluptuous import Invalid

    try:
        COMPILED_LOCKFILE_SCHEMA(_parse(lock))
    except Invalid:
        return False
    return lock.endswith(b"\n")


def _parse(lock: bytes) -> dict[str, Any] | None:
    """The mapping in a file, or None where there is none."""
    if _is_deep(lock):
        return None
    try:
        found = yaml.load(lock, Loader=LOADER)
    except (yaml.YAMLError, ValueError, RecursionError):  # ValueError: a number of 5,000 digits
        return None
    return found if isinstance(found, dict) else None


def _is_deep(lock: bytes) -> bool:
    """Whether it is nested as no lock is: the fast loader would not refuse it, but end the process."""
    depth = 0
    for bracket in re.findall(rb"[\[\]{}]", lock):
        depth += 1 if bracket in b"[{" else -1
        if depth > DEEPEST:
            return True
    return b"- " * DEEPEST in lock or b"? " * DEEPEST in lock


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _of_git() -> bytes | None:
    try:
        asked = subprocess.run(["git", "show", f"HEAD:./{LOCK}"], capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return asked.stdout if asked.returncode == 0 else None


def _write(path: Path, content: bytes) -> None:
    from cocktail.files.records import fresh_file  # imports pandas, which most commands do not need

    with fresh_file(path) as draft:
        draft.write_bytes(content)
