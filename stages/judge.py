"""Stage ``judge``: a model's verdict on free-text answers, where params ask for one."""

from __future__ import annotations

import argparse
from pathlib import Path

from cocktail.analysis.judge.study import judge_study
from cocktail.config import load_params
from cocktail.stage import run_stage


def main() -> None:
    """Arguments to one call."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--prepared", type=Path, required=True, help="what stage prepare wrote")
    parser.add_argument("--answers", type=Path, required=True, help="folder of <model>/{explore,confirm}")
    parser.add_argument("--scores", type=Path, required=True, help="what stage score wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder for verdicts, asked and counts")
    arguments = vars(parser.parse_args())
    judge_study(**arguments | {"params": load_params(arguments["params"])})


if __name__ == "__main__":
    run_stage(main)
