"""Stage base: one base model, from scratch, from the Hub, or a note that it is behind an endpoint."""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path

from cocktail.config import load_params
from cocktail.execution.environment import LIBRARY_SETTINGS
from cocktail.execution.identity import BASE_CODE, code_digest, machine
from cocktail.records import digest_value, fresh_folder, write_json
from cocktail.sources.embedded import instruction_rows, pretraining_text
from cocktail.stage import run_stage
from cocktail.store import Store, store_root


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    params = load_params(Path("params.yaml"))
    config = params.model(arguments.model)
    os.environ.update(LIBRARY_SETTINGS)  # before the libraries read them at import
    store, key = Store(store_root()), digest_value([config.model_dump(), code_digest(BASE_CODE), machine()])
    with store.lock(key):
        with fresh_folder(arguments.out) as folder:
            if config.kind == "endpoint":
                write_json(folder / "base.json", {"kind": "endpoint", "served": config.served, "files": {}})
            elif config.kind == "hub":
                from cocktail.training.hub import fetch_base

                fetch_base(config, out=folder)
            elif config.pretrain:
                from cocktail.training.base import build_base, instruction_items
                from cocktail.training.checkpoints import Checkpoints

                pretrain, folders = config.pretrain, store.path("checkpoints", key)
                build_base(
                    config,
                    texts=pretraining_text(seed=pretrain.seed, num_tokens_hint=pretrain.text_tokens),
                    instructions=instruction_items(
                        instruction_rows(seed=pretrain.seed, count=pretrain.instruction_rows)
                    ),
                    out=folder,
                    checkpoints=Checkpoints(folders, 60 * params.execute.checkpoint_minutes),
                )
        shutil.rmtree(store.path("checkpoints", key), ignore_errors=True)


if __name__ == "__main__":
    run_stage(main)
