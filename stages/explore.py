"""Stage explore: train and answer every run of the grid of one model."""

from __future__ import annotations

import argparse
from pathlib import Path

from cocktail.config import load_params
from cocktail.data.grid import explore_runs
from cocktail.runs.endpoint_answers import answer_all
from cocktail.runs.kept import runs_folder
from cocktail.runs.lock import present_lock
from cocktail.runs.runs import StageInputs, run_all
from cocktail.stage import of_model, run_stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--prepared", type=Path, required=True)
    parser.add_argument("--mixtures", type=Path, required=True)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--studies", type=Path, required=True, help="recorded studies: finished runs")
    parser.add_argument("--locks", type=Path, required=True, help="locks of studies")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    params, name = load_params(Path("params.yaml")), arguments.model
    endpoint = params.model(name).kind == "endpoint"
    prepared, base, out = arguments.prepared, of_model(arguments.base, name), of_model(arguments.out, name)
    lock = present_lock(arguments.locks, params)
    if endpoint:
        answer_all(params=params, model_name=name, prepared=prepared, base=base, out=out, lock=lock)
    else:
        kept = runs_folder(arguments.studies, params)
        inputs = StageInputs(params, name, prepared, base, arguments.mixtures, kept)
        runs = explore_runs(params, model=name)
        run_all(runs, inputs, out=out, label=f"explore {name}", lock=lock)


if __name__ == "__main__":
    run_stage(main)
