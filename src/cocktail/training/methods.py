"""The methods: full fine-tuning and adapters. What is trained, what is stored, and what answers.

Of an adapter only its own weights are stored; the base is at hand wherever it is loaded again.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, PromptTuningConfig
from transformers import PreTrainedModel

from cocktail.errors import RunError
from cocktail.training.device import load_model
from cocktail.training.recipe import Recipe


@dataclass(frozen=True)
class Answering:
    """A model ready to answer; ``soft_prompt`` (virtual tokens, hidden size) stands before every prompt."""

    model: PreTrainedModel
    soft_prompt: torch.Tensor | None = None


def check_method(recipe: Recipe) -> None:
    """Say early what this machine lacks for a recipe.

    Raises:
        RunError: no GPU, or a package that is not installed.
    """
    needed = {"bitsandbytes": recipe.method == "qlora", "liger_kernel": recipe.liger}
    needed["flash_attn"] = recipe.attention == "flash_attention_2"
    for package, wanted in needed.items():
        if not wanted:
            continue
        if not torch.cuda.is_available():
            raise RunError(f"{package} needs an NVIDIA GPU, and there is none", fix=_without(package))
        if find_spec(package) is None:
            raise RunError(f"{package} is not installed", fix=f"pip install {package}, or {_without(package)}")
    if recipe.attention == "flex_attention" and not torch.cuda.is_available():
        raise RunError("flex_attention trains on GPUs only", fix="train.attention=sdpa")


def adapter_config(recipe: Recipe) -> Any:
    """Return peft's configuration of the method; None for full fine-tuning."""
    if recipe.method == "prompt_tuning":
        return PromptTuningConfig(
            task_type="CAUSAL_LM",
            num_virtual_tokens=recipe.virtual_tokens,
            prompt_tuning_init="SAMPLE_VOCAB",  # noise of unit size would lie far off the embeddings
        )
    if recipe.lora is None:
        return None
    return LoraConfig(
        r=recipe.lora.rank,
        lora_alpha=recipe.lora.alpha,
        lora_dropout=recipe.lora.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def load_base(base: Path, recipe: Recipe) -> PreTrainedModel:
    """Load the base as the method trains it: float32, bfloat16, or 4 bits."""
    return load_model(
        base, half=recipe.half, four_bit=recipe.method == "qlora", attention=recipe.attention
    )


def load_tuned(base: Path, stored: Path, recipe: Recipe) -> PreTrainedModel | PeftModel:
    """Load what ``save_pretrained`` of a tuned model wrote into ``stored``."""
    if recipe.method == "full":
        return load_model(stored, half=recipe.half, attention=recipe.attention)
    return PeftModel.from_pretrained(load_base(base, recipe), stored)


def ready_to_answer(model: PreTrainedModel | PeftModel, recipe: Recipe) -> Answering:
    """Merge an adapter into its base, or take the learned prompt out; a 4-bit base keeps its adapter.

    Merging into 4 bits would round the adapter away.
    """
    model.eval()
    if recipe.method == "lora":
        return Answering(model.merge_and_unload())
    if recipe.method == "prompt_tuning":
        learned: torch.Tensor = model.get_prompt(batch_size=1)[0].detach()
        return Answering(model.get_base_model(), learned)
    return Answering(model)


def _without(package: str) -> str:
    return {
        "bitsandbytes": "method=lora",
        "liger_kernel": "train.liger=false",
        "flash_attn": "train.attention=sdpa",
    }[package]
