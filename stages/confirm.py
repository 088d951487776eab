"""Stage confirm: what the claims need of one model, with fresh seeds and matched controls."""

from __future__ import annotations

import argparse
from pathlib import Path

from cocktail.analysis.selection import confirmed_choices
from cocktail.config import load_params
from cocktail.data.confirmation import confirm_runs
from cocktail.runs.kept import runs_folder
from cocktail.runs.lock import present_lock
from cocktail.runs.runs import StageInputs, run_all
from cocktail.stage import of_model, run_stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--prepared", type=Path, required=True)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--selected", type=Path, required=True)
    parser.add_argument("--studies", type=Path, required=True, help="recorded studies: finished runs")
    parser.add_argument("--locks", type=Path, required=True, help="locks of studies")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    params, name = load_params(Path("params.yaml")), arguments.model
    params.model(name)  # is there
    lock = present_lock(arguments.locks, params)
    chosen = confirmed_choices(of_model(arguments.selected, name), params)
    runs = confirm_runs(params, chosen, model=name)
    kept = runs_folder(arguments.studies, params)
    inputs = StageInputs(params, name, arguments.prepared, of_model(arguments.base, name), None, kept)
    run_all(runs, inputs, out=of_model(arguments.out, name), label=f"confirm {name}", lock=lock)


if __name__ == "__main__":
    run_stage(main)
