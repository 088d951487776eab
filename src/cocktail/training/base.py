"""Base models from scratch: pretrained on raw text, then tuned on instructions.

The paper tunes *instruct* models, so the instructions are outside the study's tasks and evaluations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PreTrainedModel,
    set_seed,
)

from cocktail.config import ModelConfig
from cocktail.data.prompts import Item, Tokenizer
from cocktail.files.records import digest_file, write_json
from cocktail.training.bases.scratch import pretrain_config
from cocktail.training.checkpoints import Checkpoints
from cocktail.training.keys import base_identity
from cocktail.training.pretrain import copy_probe, pretrain_on
from cocktail.training.recipe import Recipe, Training
from cocktail.training.rows import training_rows
from cocktail.training.sft import fine_tune
from cocktail.training.tokenizer import train_tokenizer


def build_base(
    config: ModelConfig,
    *,
    documents: Sequence[str],
    instructions: Sequence[Item],
    out: Path,
    checkpoints: Checkpoints,
) -> None:
    """Pretrain, tune on instructions, and write model, tokenizer and receipt into ``out``.

    Args:
        documents: what is pretrained on.
        instructions: rows of the instruction phase.
        checkpoints: where both phases keep theirs; a killed phase goes on from its last one.
    """
    pretrain = pretrain_config(config)
    torch.set_num_threads(pretrain.threads)
    set_seed(pretrain.seed)
    tokenizer = train_tokenizer(
        documents,
        vocabulary=int(config.vocabulary or 0),
        stop_token=config.stop_token,
        context=config.context,
    )
    model = new_model(config, tokenizer)
    first, second = checkpoints.part("pretraining"), checkpoints.part("instruction")
    seen = pretrain_on(model, tokenizer, documents, config=pretrain, checkpoints=first)
    copied = copy_probe(model, tokenizer, seed=pretrain.seed)
    model, tuned = _instruct(model, tokenizer, instructions, config=config, checkpoints=second)
    receipt = {
        "kind": "scratch",
        "identity": base_identity(config, source=""),
        "parameters": model.num_parameters(),
        "vocabulary": len(tokenizer),
        "pretraining": asdict(seen),
        "instruction": tuned.as_record(),
        "copy_probe": {
            "after_pretraining": copied,
            "at_the_end": copy_probe(model, tokenizer, seed=pretrain.seed),
        },
    }
    save_base(model, tokenizer, out=out, receipt=receipt)


def new_model(config: ModelConfig, tokenizer: Tokenizer) -> PreTrainedModel:
    """Return a randomly initialised model of the configured architecture; the head shares the embeddings."""
    shape = {
        "vocab_size": len(tokenizer),
        "hidden_size": config.hidden,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.heads,
        "intermediate_size": config.feed_forward,
        "max_position_embeddings": config.context,
        "tie_word_embeddings": True,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    if config.architecture == "llama":
        return LlamaForCausalLM(LlamaConfig(**shape))
    return Phi3ForCausalLM(Phi3Config(**shape, original_max_position_embeddings=config.context))


def save_base(model: PreTrainedModel, tokenizer: Tokenizer, *, out: Path, receipt: dict[str, Any]) -> None:
    """Write model and tokenizer into ``out``, and base.json with the digest of each file."""
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    write_base_receipt(out, receipt)


def write_base_receipt(out: Path, receipt: dict[str, Any]) -> None:
    """Write base.json: what the model is, and the digest of each file beside it."""
    files = {file.name: digest_file(file) for file in sorted(out.iterdir()) if file.is_file()}
    write_json(out / "base.json", {**receipt, "files": files})


def _instruct(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    instructions: Sequence[Item],
    *,
    config: ModelConfig,
    checkpoints: Checkpoints,
) -> tuple[PreTrainedModel, Training]:
    """The instruction phase, through the same function as every run of the study."""
    pretrain = pretrain_config(config)
    rows, _ = training_rows(
        tokenizer, instructions, stop_token=config.stop_token, max_length=config.context, truncation="fail"
    )
    recipe = Recipe(
        method="full",
        seed=pretrain.seed,
        learning_rate=pretrain.instruction_learning_rate,
        epochs=pretrain.instruction_epochs,
        max_steps=0,
        warmup_steps=0,
        batch_size=8,
        gradient_accumulation_steps=1,
        scheduler="cosine",
        max_grad_norm=1.0,
        weight_decay=0.0,
        max_length=config.context,
        packing=False,
        precision="fp32",
        checkpointing="never",
        group_by_length=True,
    )
    return fine_tune(
        model, tokenizer, rows, recipe=recipe, stop_token=config.stop_token, checkpoints=checkpoints
    )
