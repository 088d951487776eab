"""Stage ``fetch``: raw files of every source, with a receipt each."""

from __future__ import annotations

import argparse
from pathlib import Path

from cocktail.config import load_params
from cocktail.sources.fetch import fetch_sources
from cocktail.stage import run_stage


def main() -> None:
    """Arguments to one call."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--out", type=Path, required=True, help="folder for <source>/ folders")
    arguments = parser.parse_args()
    params = load_params(arguments.params)
    fetch_sources(arguments.out, params.fetch, params.sources())


if __name__ == "__main__":
    run_stage(main)
