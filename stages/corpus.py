"""Stage ``corpus``: pretraining text of from-scratch models, checked against every evaluated set."""

from __future__ import annotations

import argparse
from pathlib import Path

from cocktail.config import load_params
from cocktail.corpora.corpus import make_corpus
from cocktail.stage import run_stage


def main() -> None:
    """Arguments to one call."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raw", type=Path, required=True, help="what stage fetch wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder for text, instructions and receipt")
    parser.add_argument("--counts", type=Path, required=True, help="JSON file for the receipt alone")
    arguments = parser.parse_args()
    params = load_params(Path("params.yaml"))
    make_corpus(arguments.raw, arguments.out, params=params, counts=arguments.counts)


if __name__ == "__main__":
    run_stage(main)
