"""How every stage script begins and ends: well, or with one clear message and exit code 2 (143: stopped)."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from pathlib import Path

from cocktail.errors import CocktailError, StoppedError
from cocktail.life import TERMINATED, stoppable

FULL = ("No space left on device", "Disk quota exceeded")
CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENAMETOOLONG)


def run_stage(main: Callable[[], None]) -> None:
    """Put a copy of dvc.lock aside, sweep drafts, :func:`run_command`; see that DVC has room for a copy."""
    from cocktail.files.dvc_lock import put_aside  # these import yaml, which a review's commands go without
    from cocktail.files.room import check_room, sweep_drafts

    def with_room() -> None:
        main()
        check_room()

    put_aside()
    sweep_drafts()
    run_command(with_room)


def of_model(path: Path, model: str) -> Path:
    """Return a path of dvc.yaml with a model's name, which was checked before, in place of ``MODEL``."""
    return Path(
        *(part.replace("MODEL", model) if Path(part).stem == "MODEL" else part for part in path.parts)
    )


def run_command(main: Callable[[], None]) -> None:
    """Call ``main``; print a :class:`CocktailError` to stderr and exit with 2, without a stack trace.

    After SIGTERM, or when DVC that started the stage is gone, exit with 143. Any other exception is a fault
    of the package and keeps its stack trace.
    """
    try:
        with stoppable():
            main()
    except StoppedError as stopped:
        print(stopped, file=sys.stderr)
        raise SystemExit(TERMINATED) from None
    except CocktailError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except Exception as error:
        told = _of_the_disk(error)
        if told is None:
            raise
        print(f"error: {told}", file=sys.stderr)
        raise SystemExit(2) from None


def _of_the_disk(error: Exception) -> CocktailError | None:
    """Return an error in words where a disk is full or cannot be written; libraries have their own types."""
    code = error.errno if isinstance(error, OSError) else None
    where = str(error.filename or Path.cwd()) if isinstance(error, OSError) else str(Path.cwd())
    if code in (errno.ENOSPC, errno.EDQUOT) or any(said in str(error) for said in FULL):
        fix = "make room; the same command goes on, nothing half written is kept"
        return CocktailError("the disk is full", where=where, fix=fix)
    if isinstance(error, OSError) and code in CLOSED:
        fix = "give this user the right to write there; or name another place: COCKTAIL_STORE, TMPDIR"
        return CocktailError(f"cannot be written or read ({error.strerror})", where=where, fix=fix)
    return None
