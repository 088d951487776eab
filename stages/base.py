"""Stage base: one base model, made from scratch or fetched, or a note that it is behind an endpoint."""

from __future__ import annotations

import argparse
import os
import shutil
import time
from pathlib import Path

from cocktail.config import load_params
from cocktail.execution.environment import LIBRARY_SETTINGS
from cocktail.execution.identity import BASE_CODE, code_digest, machine
from cocktail.records import digest_file, digest_value, fresh_folder, write_json
from cocktail.stage import run_stage
from cocktail.store import Store, store_root, write_runtime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    params = load_params(Path("params.yaml"))
    config = params.model(arguments.model)
    os.environ.update(LIBRARY_SETTINGS)  # before the libraries read them at import
    made_of = [config.model_dump(), code_digest(BASE_CODE), machine()]
    store, key = Store(store_root()), digest_value(made_of)
    with store.lock(key):
        with fresh_folder(arguments.out) as folder:
            if config.kind == "endpoint":
                write_json(folder / "base.json", {"kind": "endpoint", "served": config.served, "files": {}})
            elif config.kind != "scratch":
                from cocktail.models.make import make_base

                make_base(arguments.model, config, out=folder, store=store)
            elif config.pretrain:
                from cocktail.training.base import build_base
                from cocktail.training.checkpoints import Checkpoints
                from cocktail.training.reading import read_texts

                started = time.perf_counter()
                build_base(
                    config,
                    **read_texts(config.pretrain),
                    out=folder,
                    checkpoints=Checkpoints(
                        store.path("checkpoints", key), 60 * params.execute.checkpoint_minutes
                    ),
                )
                with store.publish("bases", digest_file(folder / "base.json")) as entry:
                    write_runtime(entry, {"seconds": time.perf_counter() - started})
        shutil.rmtree(store.path("checkpoints", key), ignore_errors=True)


if __name__ == "__main__":
    run_stage(main)
