"""What a phase of a run cost: seconds, energy, memory, and the machine that it was done on."""

from __future__ import annotations

import os
import platform
import resource
import time
from importlib import import_module
from typing import Any

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
