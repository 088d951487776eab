"""Stage ``mix``: the row ids of every run of the grid, asked and got."""

from __future__ import annotations

import argparse
from pathlib import Path

from cocktail.config import load_params
from cocktail.data.grid import explore_runs
from cocktail.data.mixture import draw_all, write_mixtures
from cocktail.stage import run_stage


def main() -> None:
    """Arguments to one call."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--prepared", type=Path, required=True, help="what stage prepare wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder for <run>.json files")
    arguments = parser.parse_args()
    params = load_params(arguments.params)
    write_mixtures(arguments.out, draw_all(explore_runs(params), params=params, prepared=arguments.prepared))


if __name__ == "__main__":
    run_stage(main)
