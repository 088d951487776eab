"""How every stage script begins and ends: well, or with one clear message and exit code 2 (143: stopped)."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from pathlib import Path

from cocktail.errors import CocktailError, StoppedError
from cocktail.life import TERMINATED, stoppable


def run_stage(main: Callable[[], None]) -> None:
    """Put a copy of dvc.lock aside, then :func:`run_command`."""
    from cocktail.files.dvc_lock import put_aside  # imports yaml, which a review's commands go without

    put_aside()
    run_command(main)


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
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        print(
            f"error: the disk is full\n  where: {error.filename or Path.cwd()}\n"
            "  to mend it: make room; the same command goes on, nothing half written is kept",
            file=sys.stderr,
        )
        raise SystemExit(2) from None
