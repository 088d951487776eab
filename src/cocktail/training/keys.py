"""Keys of finished work: what a run is, and nothing of where it was made or how its code is written.

A key is made of recipe, rows, base, precision, library versions, and the number of the rules of training
or of answering. Names here are frozen: they are not those of our fields, and what is at its default is
absent, so neither a renamed field nor a new option makes runs anew. Whoever changes what a training learns,
or what an answer says, adds a line to the rules: golden tests hold the numbers against the behaviour.

Not in a key: files of code, paths, attention, number of devices, sharing of prefixes, size of batches that a
step is cut into, CPU or GPU type. These are facts of the receipt.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cocktail.config import ModelConfig
from cocktail.data.evaluation_set import EvaluationSet
from cocktail.files.records import digest_value
from cocktail.training.environment import library_versions
from cocktail.training.recipe import Recipe

TRAINING_RULES = {
    1: "answer tokens alone; mean over a step's tokens; rows grouped by length, seeded by epoch"
}
ANSWERING_RULES = {1: "greedy; labels decoded along their tokens; long prompts lose the middle of the input"}
BASE_RULES = {1: "GGUF to float32; tokens settled once; scratch: generated text, then instructions"}

TRAINING_LIBRARIES = ("accelerate", "peft", "tokenizers", "torch", "transformers", "trl")
ANSWERING_LIBRARIES = ("tokenizers", "torch", "transformers")

DEFAULTS: Mapping[str, Any] = {
    "bf16": False,
    "dev": None,
    "grouped_by_length": True,
    "lora": None,
    "max_grad_norm": 1.0,
    "max_prompt_tokens": None,
    "optimiser_steps": 0,
    "packed": False,
    "shots": 0,
    "truncation": "cut",
    "virtual_tokens": 0,
    "vllm": False,
    "warmup_steps": 0,
    "weight_decay": 0.0,
}


def training_key(
    recipe: Recipe, *, base: str, rows: str, stop_token: str, truncation: str, dev: list[Any] | None = None
) -> str:
    """Return the key of a training.

    Args:
        base: the identity of the base.
        rows: digest of the rows' texts, in the order in which they are sampled.
        dev: what is asked on the way, how often, and what comes of it; None: nothing is.
    """
    lora = recipe.lora
    return _key(
        {
            "rules": max(TRAINING_RULES),
            "libraries": versions(TRAINING_LIBRARIES),
            "base": base,
            "dev": dev,
            "rows": rows,
            "stop_token": stop_token,
            "truncation": truncation,
            "method": recipe.method,
            "seed": recipe.seed,
            "learning_rate": recipe.learning_rate,
            "epochs": 0.0 if recipe.max_steps else recipe.epochs,
            "optimiser_steps": recipe.max_steps,
            "warmup_steps": recipe.warmup_steps,
            "rows_per_step": recipe.rows_per_step,
            "scheduler": recipe.scheduler,
            "max_grad_norm": recipe.max_grad_norm,
            "weight_decay": recipe.weight_decay,
            "max_tokens": recipe.max_length,
            "packed": recipe.packing,
            "grouped_by_length": recipe.group_by_length or recipe.packing,
            "bf16": recipe.precision == "bf16",
            "lora": [lora.rank, lora.alpha, lora.dropout] if lora else None,
            "virtual_tokens": recipe.virtual_tokens,
        }
    )


def answers_key(
    model: str, *, asked: EvaluationSet, stop_token: str, bf16: bool, max_prompt: int, vllm: bool
) -> str:
    """Return the key of a model's answers to one evaluation set.

    Args:
        model: the key of its training, or the identity of an untuned base.
        asked: the items of one task.
    """
    return _key(
        {
            "rules": max(ANSWERING_RULES),
            "libraries": versions(ANSWERING_LIBRARIES),
            "model": model,
            "asked": asked.digest(),
            "stop_token": stop_token,
            "bf16": bf16,
            "max_prompt_tokens": max_prompt,
            "vllm": vllm,
        }
    )


def base_identity(config: ModelConfig, *, source: str) -> str:
    """Return what a base is.

    Args:
        source: digest of the weights it was made of; "" for a base from scratch, which is its recipe: the
            same one pretrained on another CPU has other bytes, and is the same base.
    """
    made = {"rules": max(BASE_RULES), "chat_template": config.chat_template, "stop_token": config.stop_token}
    if source:
        return digest_value({**made, "source": source})
    pretrain = config.pretrain
    if pretrain is None:
        return digest_value({**made, "served": config.served})
    shape = [config.vocabulary, config.hidden, config.layers, config.heads, config.feed_forward]
    steps = [pretrain.text_tokens, pretrain.block, pretrain.batch_size, pretrain.learning_rate]
    repeats = [pretrain.repeat_tokens] if pretrain.repeat_tokens else []
    tuning = [
        pretrain.instruction_rows,
        pretrain.instruction_learning_rate,
        pretrain.instruction_epochs,
    ]
    return digest_value(
        {
            **made,
            "libraries": versions(TRAINING_LIBRARIES),
            "architecture": config.architecture,
            "shape": [*shape, config.context],
            "pretraining": [pretrain.seed, *steps, pretrain.threads, *repeats],
            "instruction_tuning": tuning,
        }
    )


def versions(names: tuple[str, ...]) -> dict[str, str]:
    """Return the public versions of libraries: a build for another device (torch 2.13.0+cpu) is the same."""
    found = library_versions()
    return {name: found[name].partition("+")[0] for name in names}


def _key(facts: Mapping[str, Any]) -> str:
    return digest_value({name: fact for name, fact in facts.items() if fact != DEFAULTS.get(name, _NEVER)})


_NEVER = object()  # equal to no fact: a fact without a default is always there
