"""What a run takes of its machine: what each phase cost, and a disk or a memory that is too small.

A shortage is told from other errors, as libraries say it in many ways.
"""

from __future__ import annotations

import errno
import os
import platform
import resource
import shutil
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from cocktail.errors import RunError, first_line
from cocktail.training.environment import visible_gpus

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
LITTLE = 1 << 20  # bytes; with less than this free, any failed write is put down to the disk


def cost_of(phase: str, started: float, energy: float | None) -> dict[str, Any]:
    """Return what a phase of a run took.

    Args:
        started: by ``time.perf_counter``.
        energy: what the meter said then, in joules; None: there is none.
    """
    used = None if energy is None else (energy_joules() or energy) - energy
    return {"seconds": {phase: time.perf_counter() - started}, "energy_joules": used, **_machine()}


def _machine() -> dict[str, Any]:
    from cocktail.training.device import peak_memory

    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "host": platform.node(),
        "process": os.getpid(),
        "gpus": len(visible_gpus()),
        "peak_memory_bytes": usage.ru_maxrss * 1024,  # Linux counts in KiB
        "peak_gpu_memory_bytes": peak_memory(),
    }


def energy_joules() -> float | None:
    """Return the energy that this process's GPUs used since their driver was loaded; None: nobody counts.

    A difference of two readings is what was used between them, by everything on these GPUs.
    """
    cards = [card for card in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if card.strip()]
    if not cards:
        return None
    try:
        nvml: Any = import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
        millijoules = [nvml.nvmlDeviceGetTotalEnergyConsumption(_handle(nvml, card)) for card in cards]
    except nvml.NVMLError:
        return None
    return float(sum(millijoules)) / 1000


def _handle(nvml: Any, card: str) -> Any:
    """A card is named by its number or by its unique name."""
    return (
        nvml.nvmlDeviceGetHandleByIndex(int(card)) if card.isdigit() else nvml.nvmlDeviceGetHandleByUUID(card)
    )


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
