"""A disk or a memory that is too small, told from other errors: libraries say it in many ways."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from cocktail.errors import RunError, first_line

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
LITTLE = 1 << 20  # bytes; with less than this free, any failed write is put down to the disk


def shortage(error: Exception, root: Path) -> RunError | None:
    """Return the error in words if disk (of ``root``) or memory ran out, else None."""
    from cocktail.training.device import is_out_of_memory

    said = first_line(error)
    if is_out_of_memory(error):
        return RunError(
            f"out of memory ({said})",
            fix="train.checkpointing=by_need; a smaller train.batch_size with more "
            "train.gradient_accumulation_steps",
        )
    full = isinstance(error, OSError) and error.errno in NO_ROOM
    if full or "No space left" in str(error) or shutil.disk_usage(root).free < LITTLE:
        return RunError(
            f"the disk is full ({said})",
            where=str(root),
            fix="make room or set COCKTAIL_STORE to a larger disk; the same command goes on",
        )
    return None
