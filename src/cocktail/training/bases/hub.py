"""Base models from the Hub: safetensors and tokenizer at a pinned revision, no remote code."""

from __future__ import annotations

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
from cocktail.errors import SourceError, first_line
from cocktail.training.bases.folder import WANTED

NOT_WANTED = ["*/*"]  # the Hub's patterns cross folders: Llama's original/ would come along


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
