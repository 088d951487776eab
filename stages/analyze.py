"""Stage ``analyze``: effects with intervals, the numbers of a review, and a verdict on every claim."""

from __future__ import annotations

import argparse
from pathlib import Path

from cocktail.analysis.study import compare_study
from cocktail.claims.evaluate import evaluate_claims
from cocktail.claims.metrics import headline_metrics
from cocktail.claims.study_lock import study_lock
from cocktail.config import load_params
from cocktail.files.records import write_json
from cocktail.report.provenance import data_note
from cocktail.stage import run_stage


def main() -> None:
    """Arguments to two calls."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--prepared", type=Path, required=True, help="what stage prepare wrote")
    parser.add_argument("--scores", type=Path, required=True, help="what stage score wrote")
    parser.add_argument("--selected", type=Path, required=True, help="folder of <model>.json")
    parser.add_argument("--claims", type=Path, required=True, help="claims.yaml")
    parser.add_argument("--answers", type=Path, required=True, help="they note the lock")
    parser.add_argument("--locks", type=Path, required=True, help="locks of studies")
    parser.add_argument("--out", type=Path, required=True, help="folder of the JSON files")
    arguments = parser.parse_args()
    params = load_params(arguments.params)
    results = (arguments.prepared, arguments.scores, arguments.selected)
    numbers = compare_study(*results, arguments.out, params=params)
    lock = study_lock(arguments.locks, arguments.answers, arguments.claims, params=params)
    note = data_note(params)
    claims = evaluate_claims(*results, arguments.claims, arguments.out, params=params, note=note, lock=lock)
    write_json(arguments.out / "metrics.json", headline_metrics(numbers, claims))


if __name__ == "__main__":
    run_stage(main)
