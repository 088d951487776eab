"""Our side of the training benchmark: one run of the study, with the recipe that the executor gives it."""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from cocktail.config import Params, check_params, load_params
from cocktail.data.grid import explore_runs
from cocktail.data.mixture import mixture_rows, read_mixture
from cocktail.data.prompts import items_of
from cocktail.files.store import Store, store_root
from cocktail.runs.jobs import RunJob
from cocktail.runs.plan import Planner
from cocktail.training.rows import TrainingRow, training_rows


def job_of(params: Params, run_id: str) -> RunJob:
    """Return the job of one run of the grid; the working folder is a workbench."""
    model = next(iter(params.models))
    run = next(run for run in explore_runs(params) if run.id == run_id)
    drawn = {run.id: read_mixture(Path("artifacts/mixtures"), run.id)}
    base = Path("artifacts/base") / model
    planner = Planner(params, model, Path("data/prepared"), base, drawn, Store(store_root()))
    return planner.job(run, max_steps=0).payload


def rows_of(job: RunJob, tokenizer: Any) -> list[TrainingRow]:
    """Return the job's rows as they are trained on."""
    if job.mixture is None or job.recipe is None:
        raise ValueError("the base is not trained")
    rows, _ = training_rows(
        tokenizer,
        items_of(mixture_rows(job.mixture, job.prepared)),
        stop_token=job.stop_token,
        max_length=job.recipe.max_length,
        truncation=job.truncation,
    )
    return rows


def tune(job: RunJob, *, workdir: Path) -> tuple[Any, Any, dict[str, Any]]:
    """Train and return model, tokenizer and speed; with activations kept, unless memory runs out."""
    from cocktail.training.checkpoints import Checkpoints
    from cocktail.training.device import (
        free_memory,
        is_out_of_memory,
        load_tokenizer,
        peak_memory,
        settled,
        training_speed,
    )
    from cocktail.training.methods import load_base
    from cocktail.training.sft import fine_tune

    if job.recipe is None:
        raise ValueError("the base is not trained")
    recipe, tokenizer = settled(job.recipe), load_tokenizer(job.base)
    rows, checkpoints = rows_of(job, tokenizer), Checkpoints(workdir, math.inf)
    for checkpointing in ("never", "always"):
        tried = replace(recipe, checkpointing=checkpointing)
        try:
            model, training = fine_tune(
                load_base(job.base, tried),
                tokenizer,
                rows,
                recipe=tried,
                stop_token=job.stop_token,
                checkpoints=checkpoints,
            )
            break
        except Exception as error:
            if checkpointing == "always" or not is_out_of_memory(error):
                raise
        free_memory()
    said = {
        "rows": len(rows),
        "tokens": training.total_tokens,
        "steps": training.steps,
        "seconds": training.seconds,
        **training_speed(training, recipe),
        "gpu_bytes": peak_memory(),
        "checkpointing": checkpointing,
        "shared": training.shared,
    }
    return model, tokenizer, said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True)
    parser.add_argument("--train", type=json.loads, default={}, help="changes of the section train, as JSON")
    parser.add_argument("--execute", type=json.loads, default={}, help="changes of the section execute")
    parser.add_argument("--workdir", type=Path, required=True)
    arguments = parser.parse_args()
    composed = load_params(Path("params.yaml")).model_dump()
    changes = {"train": arguments.train, "execute": arguments.execute}
    changed = {section: composed[section] | given for section, given in changes.items()}
    params = check_params(composed | changed, where="--train, --execute")
    _, _, said = tune(job_of(params, arguments.run), workdir=arguments.workdir)
    print(json.dumps(said))


if __name__ == "__main__":
    main()
