"""Stage ``score``: strict and lenient scores of every stored answer."""

from __future__ import annotations

import argparse
from pathlib import Path

from cocktail.config import load_params
from cocktail.scoring.outcome import Tolerance
from cocktail.scoring.score import score_study
from cocktail.stage import run_stage


def main() -> None:
    """Arguments to one call."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--prepared", type=Path, required=True, help="what stage prepare wrote")
    parser.add_argument("--answers", type=Path, required=True, help="folder of <model>/{explore,confirm}")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for items.parquet and summary.parquet"
    )
    arguments = parser.parse_args()
    params = load_params(arguments.params)
    score_study(
        arguments.prepared,
        arguments.answers,
        arguments.out,
        models=list(params.models),
        tolerance=Tolerance(params.score.relative_tolerance, params.score.absolute_tolerance),
    )


if __name__ == "__main__":
    run_stage(main)
