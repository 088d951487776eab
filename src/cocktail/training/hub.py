"""Base models from the Hub: safetensors and tokenizer at a pinned revision, no remote code."""

from __future__ import annotations

import json
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError is re-exported
    GatedRepoError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
)

from cocktail.config import ModelConfig
from cocktail.errors import SourceError
from cocktail.training.base import write_base_receipt

WANTED = ["*.safetensors", "*.safetensors.index.json", "config.json", "tokenizer*", "*.jinja"]
WANTED += ["special_tokens_map.json", "vocab.json", "merges.txt"]


def fetch_base(config: ModelConfig, *, out: Path) -> None:
    """Download a model into ``out`` and write its receipt with the commit found.

    Raises:
        SourceError: no network, no access, or weights that are no safetensors.
    """
    repo = str(config.repo)
    try:
        commit = HfApi().model_info(repo, revision=config.revision).sha
        snapshot_download(repo, revision=commit, allow_patterns=WANTED, local_dir=out)
    except GatedRepoError:
        raise SourceError(
            "no access to this gated model", where=repo, fix="HF_TOKEN of an account with access"
        ) from None
    except (OfflineModeIsEnabled, LocalEntryNotFoundError, HFValidationError, HTTPError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise SourceError(
            f"the model cannot be fetched ({reason})",
            where=repo,
            fix="a network without HF_HUB_OFFLINE, or models.<name>.kind=scratch",
        ) from None
    if not any(out.glob("*.safetensors")):
        raise SourceError("the model has no safetensors weights", where=repo)
    architecture = json.loads((out / "config.json").read_text(encoding="utf-8")).get("architectures")
    write_base_receipt(
        out,
        {
            "kind": "hub",
            "repo": repo,
            "revision": commit,
            "pinned": config.revision == commit,
            "architectures": architecture,
        },
    )
