"""Stage ``page``: the report as one HTML file."""

from __future__ import annotations

import argparse
from pathlib import Path

from cocktail.config import load_params
from cocktail.report.page.content import Inputs
from cocktail.report.page.render import write_page
from cocktail.stage import run_stage


def main() -> None:
    """Arguments to one call."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--reports", type=Path, required=True, help="folder of results, tables and figures")
    parser.add_argument("--configured", type=Path, required=True, help="folder of all studies' params")
    parser.add_argument("--out", type=Path, required=True, help="the HTML file")
    arguments = parser.parse_args()
    write_page(
        Inputs(reports=arguments.reports, configured=arguments.configured),
        arguments.out,
        params=load_params(arguments.params),
    )


if __name__ == "__main__":
    run_stage(main)
