"""A model in the Hub's layout, or as one GGUF file: in a folder of one's own, or fetched from the Hub.

What is fetched is safetensors and tokenizer at a pinned revision, no remote code.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError is re-exported
    GatedRepoError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
)
from safetensors import SafetensorError, safe_open
from transformers import AutoTokenizer

from cocktail.config import ModelConfig
from cocktail.data.prompts import Tokenizer
from cocktail.errors import SourceError, first_line
from cocktail.files.records import digest_file, digest_value, read_json

WEIGHTS = ["*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json"]
WANTED = [
    *WEIGHTS,
    "tokenizer*.json",
    "tokenizer.model",
    "*.jinja",
    "special_tokens_map.json",
    "vocab.json",
    "merges.txt",
]
NOT_WANTED = ["*/*"]  # the Hub's patterns cross folders: Llama's original/ would come along


def find_model(name: str, config: ModelConfig) -> Path:
    """Return where a model of kind ``folder`` is: ``models.<name>.path``, else <name> in COCKTAIL_MODELS.

    Raises:
        SourceError: it is not there, or nothing says where.
    """
    if config.path:
        places = [Path(config.path)]
    elif models := os.environ.get("COCKTAIL_MODELS"):
        places = [Path(models, name), Path(models, f"{name}.gguf")]
    else:
        raise SourceError(
            "nothing says where the model is",
            where=f"models.{name}",
            fix=f"models.{name}.path, or COCKTAIL_MODELS=<folder that holds {name}/ or {name}.gguf>",
        )
    found = next((place.expanduser() for place in places if place.expanduser().exists()), None)
    if found is None:
        raise SourceError("no such model", where=" or ".join(map(str, places)), fix=f"models.{name}.path")
    return found


def copy_weights(folder: Path, out: Path) -> dict[str, Any]:
    """Copy safetensors and config from a folder in the Hub's layout; return the model class.

    Raises:
        SourceError: no safetensors, or no config.
    """
    if not any(folder.glob("*.safetensors")):
        raise SourceError("the model has no safetensors weights", where=str(folder))
    if not (folder / "config.json").is_file():
        raise SourceError("the model has no config.json", where=str(folder))
    _check_weights(folder)
    for file in sorted({file for pattern in WEIGHTS for file in folder.glob(pattern)}):
        shutil.copyfile(file, out / file.name)
    return {"architectures": read_json(out / "config.json").get("architectures")}


def digest_source(folder: Path) -> str:
    """Return the digest of what a base is made of: weights, config and tokenizer."""
    files = sorted({file for pattern in WANTED for file in folder.glob(pattern)})
    return digest_value({file.name: digest_file(file) for file in files})


def _check_weights(folder: Path) -> None:
    """Read what each safetensors file says of itself, and whether all files of an index are there."""
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, framework="pt"):
                pass
        except SafetensorError as error:
            raise SourceError(f"not readable as safetensors ({error})", where=str(file)) from None
    for index in folder.glob("*.safetensors.index.json"):
        for part in sorted(set(read_json(index)["weight_map"].values())):
            if not (folder / part).is_file():
                raise SourceError("a part of the weights is missing", where=str(folder / part))


def read_tokenizer(folder: Path) -> Tokenizer:
    """Return the tokenizer of a folder in the Hub's layout.

    Raises:
        SourceError: it holds none that can be read.
    """
    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # of a broken file transformers and tokenizers raise anything
        raise SourceError(f"no tokenizer can be read ({first_line(error)})", where=str(folder)) from None


def fetch_snapshot(config: ModelConfig) -> tuple[Path, str]:
    """Download a model into the Hub library's own cache, where a broken download goes on.

    Returns:
        The folder, and the commit found.

    Raises:
        SourceError: no network, or no access.
    """
    repo = str(config.repo)
    try:
        commit = str(HfApi().model_info(repo, revision=config.revision).sha)
        return Path(
            snapshot_download(repo, revision=commit, allow_patterns=WANTED, ignore_patterns=NOT_WANTED)
        ), commit
    except GatedRepoError:
        raise SourceError(
            "no access to this gated model", where=repo, fix="HF_TOKEN of an account with access"
        ) from None
    except (OfflineModeIsEnabled, LocalEntryNotFoundError, HFValidationError, HTTPError, OSError) as error:
        raise SourceError(
            f"the model cannot be fetched ({first_line(error)})",
            where=repo,
            fix="a network without HF_HUB_OFFLINE, or another kind: package, folder, scratch",
        ) from None
