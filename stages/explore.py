"""Stage explore: train and answer every run of the grid of one model."""

from __future__ import annotations

import argparse
from pathlib import Path

from cocktail.config import load_params
from cocktail.endpoint.answers import answer_all
from cocktail.execution.runs import run_all
from cocktail.grid import explore_runs
from cocktail.stage import run_stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--prepared", type=Path, required=True)
    parser.add_argument("--mixtures", type=Path, required=True)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    params, name = load_params(Path("params.yaml")), arguments.model
    given = {
        "params": params,
        "model_name": name,
        "prepared": arguments.prepared,
        "base": arguments.base,
        "out": arguments.out,
    }
    if params.model(name).kind == "endpoint":
        answer_all(**given)
    else:
        runs, label = explore_runs(params, model=name), f"explore {name}"
        run_all(runs, mixtures=arguments.mixtures, label=label, **given)


if __name__ == "__main__":
    run_stage(main)
