"""What the GPUs of this process used, where nvidia-ml counts it."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any


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
