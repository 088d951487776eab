"""A model in the Hub's layout, and how a base is made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_model import STOP, write_tiny_base

from cocktail.config import ModelConfig
from cocktail.errors import CocktailError
from cocktail.files.records import read_json, write_json
from cocktail.files.store import Store
from cocktail.training.bases.make import make_base

KEPT = {
    *("model.safetensors", "config.json", "generation_config.json"),
    *("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "base.json"),
}


def write_model(folder: Path) -> Path:
    """A model as its authors would put it on the Hub; its config names the stop token for padding."""
    write_tiny_base(folder)
    config = read_json(folder / "config.json")
    write_json(folder / "config.json", {**config, "pad_token_id": config["eos_token_id"]})
    (folder / "base.json").unlink()
    (folder / "README.md").write_text("# Tiny")
    (folder / "pytorch_model.bin").write_bytes(b"the same weights, as a pickle")
    return folder


def make(out: Path, **changes: Any) -> Path:
    out.mkdir()
    config = ModelConfig(**{"kind": "folder", "stop_token": STOP, "context": 256, **changes})
    make_base("tiny", config, out=out, store=Store(out.parent / "store"))
    return out


def refused(out: Path, **changes: Any) -> CocktailError:
    with pytest.raises(CocktailError) as caught:
        make(out, **changes)
    assert not (out / "base.json").exists()
    return caught.value


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}
