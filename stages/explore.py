"""Stage explore: train and answer every run of the grid of one model."""

from __future__ import annotations

import argparse
from pathlib import Path

from cocktail.config import load_params
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
    params = load_params(Path("params.yaml"))
    run_all(
        explore_runs(params),
        params=params,
        model_name=arguments.model,
        prepared=arguments.prepared,
        base=arguments.base,
        mixtures=arguments.mixtures,
        out=arguments.out,
        label=f"explore {arguments.model}",
    )


if __name__ == "__main__":
    run_stage(main)
