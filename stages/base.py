"""Stage base: one base model, made from scratch or fetched, or a note that it is behind an endpoint."""

from __future__ import annotations

import argparse
import os
import shutil
import time
from pathlib import Path

from cocktail.config import Params, load_params
from cocktail.execution.environment import LIBRARY_SETTINGS
from cocktail.execution.keys import base_identity
from cocktail.records import fresh_folder, write_json
from cocktail.stage import run_stage
from cocktail.store import UNCHECKED, Store, store_root, write_runtime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    params, name = load_params(Path("params.yaml")), arguments.model
    config, store = params.model(name), Store(store_root())
    os.environ.update(LIBRARY_SETTINGS)  # before the libraries read them at import
    with store.lock(f"base-{name}"), fresh_folder(arguments.out) as folder:
        if config.kind == "endpoint":
            identity = base_identity(config, source="")
            receipt: dict[str, object] = {
                "kind": "endpoint",
                "served": config.served,
                "identity": identity,
                "files": {},
            }
            write_json(folder / "base.json", receipt)
        elif config.kind == "scratch":
            entry = _from_scratch(params, name, store)
            for file in sorted(entry.iterdir()):
                if file.name not in UNCHECKED:
                    shutil.copyfile(file, folder / file.name)
        else:
            from cocktail.models.make import make_base

            make_base(name, config, out=folder, store=store)


def _from_scratch(params: Params, name: str, store: Store) -> Path:
    """Return a base's folder in the store: a stage that runs again for its code pretrains nothing."""
    from cocktail.training.base import build_base
    from cocktail.training.checkpoints import Checkpoints
    from cocktail.training.reading import read_texts

    config, started = params.model(name), time.perf_counter()
    key, texts = base_identity(config, source=""), read_texts(config)
    checkpoints = Checkpoints(store.path("checkpoints", key), 60 * params.execute.checkpoint_minutes)
    with store.lock(key):
        if store.have("bases", key) is None:
            with store.publish("bases", key) as folder:
                build_base(config, **texts, out=folder, checkpoints=checkpoints)
                write_runtime(folder, {"seconds": time.perf_counter() - started})
        shutil.rmtree(store.path("checkpoints", key), ignore_errors=True)
    return store.path("bases", key)


if __name__ == "__main__":
    run_stage(main)
