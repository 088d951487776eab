"""Stage base: one base model, from scratch or from the Hub."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from cocktail.config import load_params
from cocktail.execution.environment import LIBRARY_SETTINGS
from cocktail.records import fresh_folder
from cocktail.sources.embedded import instruction_rows, pretraining_text
from cocktail.stage import run_stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    config = load_params(Path("params.yaml")).model(arguments.model)
    os.environ.update(LIBRARY_SETTINGS)  # before the libraries read them at import
    with fresh_folder(arguments.out) as folder, TemporaryDirectory() as workdir:
        if config.kind == "hub":
            from cocktail.training.hub import fetch_base

            fetch_base(config, out=folder)
        elif config.pretrain:
            from cocktail.training.base import build_base, instruction_items

            pretrain = config.pretrain
            build_base(
                config,
                texts=pretraining_text(seed=pretrain.seed, num_tokens_hint=pretrain.text_tokens),
                instructions=instruction_items(
                    instruction_rows(seed=pretrain.seed, count=pretrain.instruction_rows)
                ),
                out=folder,
                workdir=Path(workdir),
            )


if __name__ == "__main__":
    run_stage(main)
