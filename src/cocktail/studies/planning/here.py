"""A plan on this machine: how many minutes, by rates that the benchmarks measured, and what is at hand here.

``cocktail advise --next`` tells what the runs to explore next would take.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from cocktail.config import Params
from cocktail.errors import CocktailError
from cocktail.studies.planning.cost import HOUR, measured
from cocktail.studies.planning.study import Plan, plan_study
from cocktail.training.environment import visible_gpus

MEASURED_PARAMETERS = 134_515_008  # of the model of the benchmark real
MEASURED_CORES = 2
MOST_MINUTES = 600
ALONE = ("study.targets=[]", "study.confirm_seeds=[]", "study.confirm_also=[]", "study.confirm_matched=[]")


def estimate(plan: Plan, root: Path) -> str:
    """Return a line: runs, tokens, minutes by rates of another machine, disk; starting is not counted.

    Of targets that turn out to be at the floor nothing is confirmed, so there may be fewer runs.

    Raises:
        RecordError: the benchmarks are missing or broken.
    """
    runs = sum(cost.runs for cost in plan.costs)
    tokens = sum(cost.tokens for cost in plan.costs)
    gpus = len(visible_gpus())
    device = f"{gpus} GPUs" if gpus else f"{os.cpu_count() or 1} cores"
    return (
        f"study {plan.params.study.name}: up to {runs} runs, {tokens / 1e6:,.2f} M tokens, about "
        f"{_told(_minutes(plan, root))} on {device} by the rates of reports/benchmarks, "
        f"twice as long on a busy machine; {plan.disk_bytes / 1e9:,.1f} GB of disk"
    )


def _told(minutes: float) -> str:
    return f"{minutes / 60:,.0f} hours" if minutes > MOST_MINUTES else f"{max(1, minutes):,.0f} minutes"


def _minutes(plan: Plan, root: Path) -> float:
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
            folder = root / "reports/benchmarks"
            total += scale * cost.tokens / measured(folder, "real", f"b. nine sources, {method}: real tokens")
            total += scale * cost.answers / measured(folder, "real", "c. evaluation set")
    return total / 60


def on_this_machine(plan: Plan, root: Path) -> str:
    """Return what is at hand here: no part of the plan, and in no file."""
    try:
        told = estimate(plan, root)
    except CocktailError as error:
        told = f"the minutes are not known: {error.what}"
    token = "set" if os.environ.get("HF_TOKEN") else "not set"
    free = shutil.disk_usage(root).free / 1e9
    return f"Here: {told}\nHF_TOKEN {token}; {len(visible_gpus())} GPUs visible; {free:,.0f} GB of disk free."


def next_text(runs: Sequence[tuple[str, float]], params: Params | None, *, root: Path) -> str:
    """Return the runs to explore next, in lines.

    Args:
        runs: ids, and the points by which each narrows the differences to the best.
        params: the study that they would be added to; None: of a record, whose cost is not planned.
        root: of the repository.
    """
    if not runs:
        return "Next: no run of the grid is left."
    width = max(len(run) for run, _ in runs)
    lines = ["Next, the most telling first (points by which it narrows the differences to the best):"]
    lines += [f"  {run:<{width}}  {settles:5.1f}" for run, settles in runs]
    names = [run for run, _ in runs if run != "base"]  # every study has the base
    if params is not None and names:
        lines.append(_cost_of_next(names, params, root))
        known = [*params.study.include, *(name for name in names if name not in params.study.include)]
        lines.append(f"  dvc exp run -S study={params.study.name} -S 'study.include=[{','.join(known)}]'")
    return "\n".join(lines)


def _cost_of_next(names: Sequence[str], params: Params, root: Path) -> str:
    included = f"study.include=[{','.join(names)}]"
    try:
        plan = plan_study(root / "conf", params.study.name, [included, *ALONE], root=root)
        tokens = sum(run.tokens for run in plan.runs if run.id in names)
        return f"  together {tokens / 1e6:,.2f} M tokens, about {_told(_minutes(plan, root))} here"
    except CocktailError as error:
        return f"  their cost is not known: {error.what}"
