"""Stage ``choose``: choose each target's mixture on dev."""

from __future__ import annotations

import argparse
from pathlib import Path

from cocktail.analysis.selection import select_study
from cocktail.config import load_params
from cocktail.stage import of_model, run_stage


def main() -> None:
    """Arguments to one call."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--model", required=True)
    parser.add_argument("--prepared", type=Path, required=True, help="what stage prepare wrote")
    parser.add_argument("--answers", type=Path, required=True, help="one model's explored answers")
    parser.add_argument("--out", type=Path, required=True, help="JSON file for the choices")
    arguments = parser.parse_args()
    params, name = load_params(arguments.params), arguments.model
    params.model(name)  # is there
    answers, out = of_model(arguments.answers, name), of_model(arguments.out, name)
    select_study(arguments.prepared, answers, out, params=params, model=name)


if __name__ == "__main__":
    run_stage(main)
