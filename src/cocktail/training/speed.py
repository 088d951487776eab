"""How near a training comes to what the device can do."""

from __future__ import annotations

import time
from functools import lru_cache

import torch

from cocktail.training.device import device
from cocktail.training.recipe import Recipe, Training

SIZES = {"cuda": 8192, "cpu": 1024}  # large enough that a product takes far longer than its start
REPEATS = 5


@lru_cache(maxsize=2)
def matmul_ceiling(*, bf16: bool) -> float:
    """Measure the floating-point operations per second of the best of some square matrix products.

    Args:
        bf16: in bfloat16, else in float32.
    """
    size = SIZES[device().type]
    dtype = torch.bfloat16 if bf16 else torch.float32
    left, right = (torch.rand(size, size, dtype=dtype, device=device()) for _ in range(2))
    best = float("inf")
    for _ in range(REPEATS):
        _finish()
        started = time.perf_counter()
        torch.matmul(left, right)
        _finish()
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best


def training_speed(training: Training, recipe: Recipe) -> dict[str, float]:
    """Return real tokens per second and the share of the ceiling they take.

    Padding is no token here. A token costs two operations per parameter forward, two backward, and two
    more for the gradients of the weights, which adapters do not need; attention itself is not counted.
    """
    tokens = training.total_tokens * training.epochs / max(training.seconds, 1e-9)
    operations = (6 if recipe.method == "full" else 4) * training.total_parameters
    ceiling = recipe.devices * matmul_ceiling(bf16=recipe.precision == "bf16")
    return {
        "tokens_per_second": round(tokens, 1),
        "share_of_ceiling": round(operations * tokens / ceiling, 4),
    }


def _finish() -> None:
    """Wait until a GPU has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
