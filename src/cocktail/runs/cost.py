"""What a phase of a run cost: seconds, energy, memory, and the machine that it was done on."""

from __future__ import annotations

import os
import platform
import resource
import time
from typing import Any

from cocktail.runs.energy import energy_joules
from cocktail.training.environment import visible_gpus


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
