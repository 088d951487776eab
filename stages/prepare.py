"""Stage ``prepare``: raw files to train, dev and test rows of every task."""

from __future__ import annotations

import argparse
from pathlib import Path

from cocktail.config import load_params
from cocktail.data.prepare import prepare
from cocktail.stage import run_stage


def main() -> None:
    """Arguments to one call."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--raw", type=Path, required=True, help="what stage fetch wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder for <task>/ folders and reports")
    arguments = parser.parse_args()
    prepare(arguments.raw, arguments.out, params=load_params(arguments.params))


if __name__ == "__main__":
    run_stage(main)
