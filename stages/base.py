"""Stage base: one base model, made from scratch or fetched, or a note that it is behind an endpoint."""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path

from cocktail.config import load_params
from cocktail.execution.environment import LIBRARY_SETTINGS
from cocktail.execution.keys import base_identity
from cocktail.records import UNCHECKED, fresh_folder, write_json
from cocktail.stage import of_model, run_stage
from cocktail.store import Store, store_root


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
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
            from cocktail.models.scratch import from_scratch

            minutes = params.execute.checkpoint_minutes
            entry = from_scratch(config, store=store, checkpoint_minutes=minutes)
            for file in sorted(entry.iterdir()):
                if file.name not in UNCHECKED:
                    shutil.copyfile(file, folder / file.name)
        else:
            from cocktail.models.make import make_base

            make_base(name, config, out=folder, store=store)


if __name__ == "__main__":
    run_stage(main)
