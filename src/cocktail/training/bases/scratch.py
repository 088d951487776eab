"""A base from scratch, in the run store: a stage that runs again for its code pretrains nothing."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from cocktail.config import ModelConfig
from cocktail.files.store import Store, write_runtime
from cocktail.training.keys import base_identity


def from_scratch(config: ModelConfig, *, store: Store, checkpoint_minutes: float) -> Path:
    """Return a base's folder in the store; it is pretrained if it is not there."""
    from cocktail.training.base import build_base
    from cocktail.training.checkpoints import Checkpoints
    from cocktail.training.reading import read_texts

    key, started = base_identity(config, source=""), time.perf_counter()
    checkpoints = Checkpoints(store.path("checkpoints", key), 60 * checkpoint_minutes)
    with store.lock(key):
        if store.have("bases", key) is None:
            with store.publish("bases", key) as folder:
                build_base(config, **read_texts(config), out=folder, checkpoints=checkpoints)
                write_runtime(folder, {"seconds": time.perf_counter() - started})
        shutil.rmtree(checkpoints.folder, ignore_errors=True)
    return store.path("bases", key)
