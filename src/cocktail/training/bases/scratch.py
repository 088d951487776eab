"""Bases from scratch: what they read, and their weights, shipped or pretrained once into the run store."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from cocktail.config import ModelConfig, PretrainConfig
from cocktail.data.prompts import Item
from cocktail.errors import RunError, SourceError
from cocktail.files.records import UNCHECKED, digest_file, fresh_folder, read_json
from cocktail.files.store import Store, write_runtime
from cocktail.sources.synthetic import instruction_rows, pretraining_text
from cocktail.training.keys import base_identity

WEIGHTS = "model.safetensors"


def shipped_base(name: str, config: ModelConfig, *, bases: Path) -> Path | None:
    """Return the folder of a base that is shipped, or None where none is shipped of this recipe.

    Args:
        bases: the folder of shipped bases, by model.

    Raises:
        SourceError: a file of it is not the one that base.json and ``models.<name>.sha256`` name.
    """
    folder = bases / name
    if not (folder / "base.json").is_file():
        return None
    receipt = read_json(folder / "base.json")
    if receipt["identity"] != base_identity(config, source=""):
        return None
    expected = {**receipt["files"], WEIGHTS: config.sha256 or receipt["files"][WEIGHTS]}
    for file, digest in expected.items():
        if not (folder / file).is_file() or digest_file(folder / file) != digest:
            raise SourceError(
                f"a shipped base was changed: {file}",
                where=str(folder),
                fix=f"git checkout -- {folder}; or make it anew: cocktail pretrain {name}",
            )
    return folder


def ship_base(name: str, config: ModelConfig, *, bases: Path, store: Store) -> str:
    """Pretrain a base, unless the store has it, and put it where it is shipped; return its weights' digest.

    Another type of CPU makes other bytes of the same recipe: ``models.<name>.sha256`` says which are shipped.
    """
    entry = from_scratch(config, store=store, checkpoint_minutes=10.0)
    with fresh_folder(bases / name) as folder:
        copy_base(entry, folder)
    return digest_file(bases / name / WEIGHTS)


def copy_base(entry: Path, folder: Path) -> None:
    """Copy the files of a base, without what the store keeps beside them."""
    for file in sorted(entry.iterdir()):
        if file.name not in UNCHECKED:
            shutil.copyfile(file, folder / file.name)


def from_scratch(config: ModelConfig, *, store: Store, checkpoint_minutes: float) -> Path:
    """Return a base's folder in the store; it is pretrained if it is not there."""
    from cocktail.training.base import build_base
    from cocktail.training.checkpoints import Checkpoints

    key, started = base_identity(config, source=""), time.perf_counter()
    checkpoints = Checkpoints(store.path("checkpoints", key), 60 * checkpoint_minutes)
    with store.lock(key):
        if store.have("bases", key) is None:
            with store.publish("bases", key) as folder:
                build_base(config, **read_texts(config), out=folder, checkpoints=checkpoints)
                write_runtime(folder, {"seconds": time.perf_counter() - started})
        shutil.rmtree(checkpoints.folder, ignore_errors=True)
    return store.path("bases", key)


class Texts(TypedDict):
    """Documents to pretrain on, rows of the instruction phase."""

    documents: Sequence[str]
    instructions: Sequence[Item]


def read_texts(config: ModelConfig) -> Texts:
    """Return the texts of a base from scratch."""
    pretrain = pretrain_config(config)
    rows = instruction_rows(seed=pretrain.seed, count=pretrain.instruction_rows)
    return Texts(
        documents=list(pretraining_text(seed=pretrain.seed, num_tokens_hint=pretrain.text_tokens)),
        instructions=instruction_items(rows),
    )


def pretrain_config(config: ModelConfig) -> PretrainConfig:
    """Return how a base from scratch is pretrained.

    Raises:
        RunError: nothing says how.
    """
    if config.pretrain is None:
        raise RunError("a from-scratch model needs its pretrain section", where="models")
    return config.pretrain


def instruction_items(rows: Sequence[Mapping[str, str]]) -> list[Item]:
    """Return rows of instruction, input and answer as items."""
    return [
        Item(f"instruction:train:{n}", "instruction", row["instruction"], row["input"], row["answer"])
        for n, row in enumerate(rows)
    ]
