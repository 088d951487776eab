"""About how many minutes a study takes on this machine, from rates that the benchmarks measured."""

from __future__ import annotations

import os
from pathlib import Path

from cocktail.studies.planning.cost import HOUR, measured
from cocktail.studies.planning.study import Plan
from cocktail.training.environment import visible_gpus

MEASURED_PARAMETERS = 134_515_008  # of the model in reports/benchmarks/real.json
MEASURED_CORES = 2


def estimate(plan: Plan, root: Path) -> str:
    """Return a line: runs, tokens, minutes; the rates are of another machine, and starting is not in them.

    Raises:
        RecordError: the benchmarks are missing or broken.
    """
    runs = sum(cost.runs for cost in plan.costs)
    tokens = sum(cost.tokens for cost in plan.costs)
    return (
        f"study {plan.params.study.name}: {runs} runs, {tokens / 1e6:,.2f} M tokens, about "
        f"{max(1, minutes(plan, root)):,.0f} minutes on {_device()}, by the rates of reports/benchmarks; "
        "twice as long on a busy machine"
    )


def minutes(plan: Plan, root: Path) -> float:
    """Return the minutes of all models of a plan, on all GPUs or cores.

    Raises:
        RecordError: the benchmarks are missing or broken.
    """
    gpus, cores = len(visible_gpus()), os.cpu_count() or 1
    total = 0.0
    for cost in plan.costs:
        if cost.hours is None:
            continue  # an endpoint takes the time that it takes
        if cost.device == "worker":
            total += cost.hours * HOUR / (plan.params.execute.workers or gpus or cores)
        elif gpus:
            total += cost.hours * HOUR / gpus
        else:
            scale = cost.parameters / MEASURED_PARAMETERS * MEASURED_CORES / cores
            method = "full" if plan.params.train.method == "full" else "lora"  # all adapters
            real = root / "reports/benchmarks/real.json"
            total += scale * cost.tokens / measured(real, f"a. short rows, {method}: real tokens")
            total += scale * cost.answers / measured(real, "c. evaluation set")
    return total / 60


def _device() -> str:
    gpus = len(visible_gpus())
    return f"{gpus} GPUs" if gpus else f"{os.cpu_count() or 1} cores"
