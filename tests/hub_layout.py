"""A model in the Hub's layout, and how a base is made of it: in this process, and by stage base."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from data_params import make_params
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


STAGE = Path(__file__).parents[1] / "stages" / "base.py"


def run_base_stage(folder: Path, **model: Any) -> subprocess.CompletedProcess[str]:
    """Make the model ``tiny`` at <folder>/artifacts/bases/tiny, with the store at <folder>/store."""
    folder.mkdir(exist_ok=True)
    params = make_params(models={"tiny": model}).model_dump()
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    return subprocess.run(
        [
            *(sys.executable, str(STAGE), "--model", "tiny"),
            *("--bases", "bases", "--out", "artifacts/bases/tiny"),
        ],
        cwd=folder,
        env={**os.environ, "COCKTAIL_STORE": str(folder / "store")},
        capture_output=True,
        text=True,
        check=False,
    )
