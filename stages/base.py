"""Stage base: one base model, made from scratch or fetched, or a note that it is behind an endpoint."""

from __future__ import annotations

import argparse
import os
import shutil
import time
from pathlib import Path

from cocktail.config import ModelConfig, Params, load_params
from cocktail.execution.environment import LIBRARY_SETTINGS
from cocktail.execution.keys import base_identity
from cocktail.records import fresh_folder, write_json
from cocktail.stage import run_stage
from cocktail.store import UNCHECKED, Store, store_root, write_runtime


def _pretrain(config: ModelConfig, params: Params, corpus: Path, store: Store, key: str) -> Path:
    """Make a base from scratch, into the store: a stage that runs again because of its code pretrains nothing."""
    from cocktail.training.base import build_base
    from cocktail.training.checkpoints import Checkpoints
    from cocktail.training.reading import read_texts

    started, minutes = time.perf_counter(), params.execute.checkpoint_minutes
    with store.publish("bases", key) as folder:
        checkpoints = Checkpoints(store.path("checkpoints", key), 60 * minutes)
        build_base(config, **read_texts(config.pretrain, corpus=corpus), out=folder, checkpoints=checkpoints)
        write_runtime(folder, {"seconds": time.perf_counter() - started})
    return store.path("bases", key)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--corpus", type=Path, required=True, help="what stage corpus wrote")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    params = load_params(Path("params.yaml"))
    config = params.model(arguments.model)
    os.environ.update(LIBRARY_SETTINGS)  # before the libraries read them at import
    store, key = Store(store_root()), base_identity(config, source="" if config.pretrain else arguments.model)
    with store.lock(key):
        with fresh_folder(arguments.out) as folder:
            if config.kind == "endpoint":
                write_json(
                    folder / "base.json",
                    {"kind": "endpoint", "served": config.served, "identity": key, "files": {}},
                )
            elif config.kind != "scratch":
                from cocktail.models.make import make_base

                make_base(arguments.model, config, out=folder, store=store)
            elif config.pretrain:
                entry = store.have("bases", key) or _pretrain(config, params, arguments.corpus, store, key)
                for file in sorted(entry.iterdir()):
                    if file.name not in UNCHECKED:
                        shutil.copyfile(file, folder / file.name)
        shutil.rmtree(store.path("checkpoints", key), ignore_errors=True)


if __name__ == "__main__":
    run_stage(main)
