"""``cocktail watch``: how far a running study is, read from the run store alone; nothing waits for it.

A second terminal, or one on another machine of the same store, sees the same. While a stage before explore
runs, its outputs are not there yet, and the line says so.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cocktail.config import Params
from cocktail.data.grid import Run
from cocktail.errors import CocktailError, RecordError
from cocktail.files.records import read_json
from cocktail.files.store import Store, store_root
from cocktail.runs.finished import Finished
from cocktail.runs.kept import runs_folder
from cocktail.runs.runs import StageInputs, finished_runs
from cocktail.studies.keep import models_here, stages_of
from cocktail.training.environment import nvidia_smi, visible_gpus


@dataclass(frozen=True)
class Progress:
    """One stage of one model.

    Attributes:
        name: stage and model.
        done, planned: runs.
        loss: last training loss of the run that was finished last in the order of the stage; None: none is.
        minutes_left: of this stage, if the runs left took the mean of those done; the longest come first, so
            that it is rather too long. None before the first run is done.
        waits: what the stage waits for; "": it runs, or is done.
    """

    name: str
    done: int
    planned: int
    loss: float | None = None
    minutes_left: float | None = None
    waits: str = ""

    def line(self) -> str:
        """Return it in words."""
        if self.waits:
            return f"{self.name}: waits for {self.waits}"
        loss = "" if self.loss is None else f", loss {self.loss:.3f}"
        left = ""
        if self.minutes_left is not None and self.done < self.planned:
            left = f", about {self.minutes_left:,.0f} minutes of it left, or fewer"
        return f"{self.name}: {self.done} of {self.planned} runs{loss}{left}"


def look(root: Path, params: Params) -> list[Progress]:
    """Return the progress of explore and confirm of every model that is trained or asked here."""
    kept = runs_folder(root / "reports/studies", params)
    return [progress for model in models_here(params) for progress in _of_model(root, params, model, kept)]


def _of_model(root: Path, params: Params, model: str, kept: Path) -> Iterator[Progress]:
    confirms = bool(params.study.targets) and not params.model(model).untuned
    stage = ""
    for stage, runs, inputs in stages_of(root, params, model=model, kept=kept):
        yield _progress(f"{stage} {model}", runs, inputs)
        if not confirms:
            return
    if stage == "explore":
        yield Progress(f"confirm {model}", 0, 0, waits="choose, after explore")


def _progress(name: str, runs: Sequence[Run], inputs: StageInputs) -> Progress:
    needs = (inputs.prepared, inputs.mixtures, inputs.base)
    missing = [path.name for path in needs if path and not path.exists()]
    if missing:
        return Progress(name, 0, len(runs), waits=f"the stage that makes {missing[0]}")
    try:
        done = list(finished_runs(runs, inputs))
    except CocktailError as error:  # a stage before it is writing just now
        return Progress(name, 0, len(runs), waits=f"a stage before it ({error.what})")
    losses = [float(one.training["loss"][-1][1]) for one in done if one.training["loss"]]
    seconds = [_seconds(one) for one in done]
    workers = inputs.params.execute.workers or len(visible_gpus()) or os.cpu_count() or 1
    turns = math.ceil((len(runs) - len(done)) / workers)
    left = sum(seconds) / len(seconds) * turns / 60 if seconds else None
    return Progress(name, len(done), len(runs), losses[-1] if losses else None, left)


def _seconds(one: Finished) -> float:
    costs = [one.runtime, *(answered.runtime for answered in one.answers)]
    return sum(float(value) for cost in costs for value in cost.get("seconds", {}).values())


def in_flight() -> list[str]:
    """Return a line for each training that left a checkpoint: its step and loss."""
    lines = []
    folder = Store(store_root()).path("checkpoints", "00").parents[1]
    for state in sorted(folder.glob("*/*/**/trainer_state.json"), key=lambda path: path.stat().st_mtime):
        try:
            facts = read_json(state)
        except RecordError:  # being written, or taken away
            continue
        losses = [entry["loss"] for entry in facts.get("log_history", []) if "loss" in entry]
        loss = f", loss {losses[-1]:.3f}" if losses else ""
        lines.append(f"  in training: step {facts['global_step']} of {facts['max_steps']}{loss}")
    return lines


def gpu_lines() -> list[str]:
    """Return a line for each GPU: how busy it is, and its memory; none where there is none."""
    if not visible_gpus():
        return []
    found = nvidia_smi("index,utilization.gpu,memory.used,memory.total")
    rows = [line.split(", ") for line in found if line.count(", ") == 3]
    return [f"  GPU {gpu}: {busy} % busy, {used} of {total} MiB" for gpu, busy, used, total in rows]


def watch_text(root: Path, params: Params) -> str:
    """Return the whole of what there is to see."""
    lines = [f"study {params.study.name}", *(progress.line() for progress in look(root, params))]
    return "\n".join([*lines, *in_flight(), *gpu_lines()])
