"""Stage ``report``: tables, figures, the data of dvc plots, and the report as one HTML file."""

from __future__ import annotations

import argparse
from pathlib import Path

from cocktail.config import load_params
from cocktail.report.page.render import write_page
from cocktail.report.study import Inputs, report_study
from cocktail.stage import run_stage


def main() -> None:
    """Arguments to two calls."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument(
        "--reports", type=Path, required=True, help="folder of comparison.json and effects.json"
    )
    parser.add_argument("--raw", type=Path, required=True, help="what stage fetch wrote (receipts are read)")
    parser.add_argument("--prepared", type=Path, required=True, help="what stage prepare wrote")
    parser.add_argument("--mixtures", type=Path, required=True, help="what stage mix wrote")
    parser.add_argument("--answers", type=Path, required=True, help="folder of <model>/{explore,confirm}")
    parser.add_argument("--judge", type=Path, required=True, help="what stage judge wrote")
    parser.add_argument("--bases", type=Path, required=True, help="folder of <model>/base.json")
    parser.add_argument("--published", type=Path, required=True, help="published.yaml")
    parser.add_argument("--configured", type=Path, required=True, help="folder of all studies' params")
    parser.add_argument("--out", type=Path, required=True, help="folder for tables/, figures/, report.html")
    arguments = vars(parser.parse_args())
    params, out = load_params(arguments.pop("params")), arguments.pop("out")
    configured = arguments.pop("configured")
    report_study(Inputs(**arguments), out, params=params)
    write_page(out, out / "report.html", configured=configured, params=params)


if __name__ == "__main__":
    run_stage(main)
