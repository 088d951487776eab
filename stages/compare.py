"""Stage ``compare``: effects with intervals, and the numbers a review reads."""

from __future__ import annotations

import argparse
from pathlib import Path

from cocktail.analysis.study import compare_study
from cocktail.config import load_params
from cocktail.stage import run_stage


def main() -> None:
    """Arguments to one call."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--prepared", type=Path, required=True, help="what stage prepare wrote")
    parser.add_argument("--scores", type=Path, required=True, help="what stage score wrote")
    parser.add_argument("--selected", type=Path, required=True, help="folder of <model>.json")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for metrics, effects, comparison .json"
    )
    arguments = parser.parse_args()
    compare_study(
        arguments.prepared,
        arguments.scores,
        arguments.selected,
        arguments.out,
        params=load_params(arguments.params),
    )


if __name__ == "__main__":
    run_stage(main)
