"""Stage base: one base model, shipped, made from scratch, fetched, or noted as behind an endpoint."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from cocktail.config import load_params
from cocktail.files.records import fresh_folder, write_json
from cocktail.files.store import Store, store_root
from cocktail.stage import of_model, run_stage
from cocktail.training.environment import LIBRARY_SETTINGS
from cocktail.training.keys import base_identity


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--bases", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    params, name = load_params(Path("params.yaml")), arguments.model
    config, store = params.model(name), Store(store_root())
    os.environ.update(LIBRARY_SETTINGS)  # before the libraries read them at import
    with store.lock(f"base-{name}"), fresh_folder(of_model(arguments.out, name)) as folder:
        if config.kind == "endpoint":
            facts = {
                "kind": "endpoint",
                "served": config.served,
                "identity": base_identity(config, source=""),
            }
            write_json(folder / "base.json", {**facts, "files": {}})
        elif config.kind == "scratch":
            from cocktail.training.bases.scratch import copy_base, from_scratch, shipped_base

            minutes = params.execute.checkpoint_minutes
            shipped = shipped_base(name, config, bases=arguments.bases)
            copy_base(shipped or from_scratch(config, store=store, checkpoint_minutes=minutes), folder)
        else:
            from cocktail.training.bases.make import make_base

            make_base(name, config, out=folder, store=store)


if __name__ == "__main__":
    run_stage(main)
