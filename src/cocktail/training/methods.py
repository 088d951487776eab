"""The methods: full fine-tuning and adapters. What is trained, what is stored, and what answers.

Of an adapter only its own weights are stored; the base is at hand wherever it is loaded again.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
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
            raise RunError(
                f"{package} is not installed", fix=f"pip install {package}, or {_without(package)}"
            )
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
    return load_model(base, bf16=recipe.bf16, four_bit=recipe.method == "qlora", attention=recipe.attention)


def load_tuned(base: Path, stored: Path, recipe: Recipe) -> PreTrainedModel | PeftModel:
    """Load what ``save_pretrained`` of a tuned model wrote into ``stored``."""
    if recipe.method == "full":
        return load_model(stored, bf16=recipe.bf16, attention=recipe.attention)
    with without_rename_warnings():
        return PeftModel.from_pretrained(load_base(base, recipe), stored)


def ready_to_answer(model: PreTrainedModel | PeftModel, recipe: Recipe) -> Answering:
    """Merge an adapter into its base, or take the learned prompt out, in the precision of training.

    A 4-bit base keeps its adapter: merging would round it away.
    """
    model.eval()
    model.set_attn_implementation("sdpa")  # it takes masks of our own, and others do not
    if recipe.method == "qlora":
        return Answering(model)
    dtype = torch.bfloat16 if recipe.precision == "bf16" else torch.float32
    if recipe.method == "lora":
        model = model.merge_and_unload()
    if recipe.method == "prompt_tuning":
        learned: torch.Tensor = model.get_prompt(batch_size=1)[0].detach().to(dtype)
        return Answering(model.get_base_model().to(dtype), learned)
    return Answering(model.to(dtype))


def count_parameters(model: PreTrainedModel | PeftModel) -> tuple[int, int]:
    """Return how many parameters are trained, and how many there are (4-bit ones counted as such)."""
    if isinstance(model, PeftModel):
        trained, total = model.get_nb_trainable_parameters()
        return int(trained), int(total)
    return int(model.num_parameters(only_trainable=True)), int(model.num_parameters())


@contextmanager
def without_rename_warnings() -> Iterator[None]:
    """Silence what transformers 5.23 says to TRL 1.16 and peft 0.21, which use `gradient_checkpointing`.

    Remove this when the lower bounds of all three speak of `activation_checkpointing`.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*gradient_checkpointing.*", category=FutureWarning)
        yield


def _without(package: str) -> str:
    return {
        "bitsandbytes": "method=lora",
        "liger_kernel": "train.liger=false",
        "flash_attn": "train.attention=sdpa",
    }[package]
