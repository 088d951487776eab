"""Stage ``choose``: choose each target's mixture on dev."""

from __future__ import annotations

import argparse
from pathlib import Path

from cocktail.analysis.selection import select_study
from cocktail.config import load_params
from cocktail.stage import run_stage


def main() -> None:
    """Arguments to one call."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--model", required=True)
    parser.add_argument("--prepared", type=Path, required=True, help="what stage prepare wrote")
    parser.add_argument("--answers", type=Path, required=True, help="one model's explored answers")
    parser.add_argument("--out", type=Path, required=True, help="JSON file for the choices")
    arguments = parser.parse_args()
    select_study(
        arguments.prepared,
        arguments.answers,
        arguments.out,
        params=load_params(arguments.params),
        model=arguments.model,
    )


if __name__ == "__main__":
    run_stage(main)
