"""What a from-scratch base reads: text and instructions of the generated world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from cocktail.config import ModelConfig, PretrainConfig
from cocktail.data.prompts import Item
from cocktail.errors import RunError
from cocktail.sources.synthetic import instruction_rows, pretraining_text


class Texts(TypedDict):
    """Documents to pretrain on, rows of the instruction phase."""

    documents: Sequence[str]
    instructions: Sequence[Item]


def read_texts(config: ModelConfig) -> Texts:
    """Return the texts of a base from scratch."""
    pretrain = pretrain_config(config)
    rows = instruction_rows(seed=pretrain.seed, count=pretrain.instruction_rows)
    return Texts(
        documents=list(pretraining_text(seed=pretrain.seed, num_tokens_hint=pretrain.text_tokens)),
        instructions=instruction_items(rows),
    )


def pretrain_config(config: ModelConfig) -> PretrainConfig:
    """Return how a base from scratch is pretrained.

    Raises:
        RunError: nothing says how.
    """
    if config.pretrain is None:
        raise RunError("a from-scratch model needs its pretrain section", where="models")
    return config.pretrain


def instruction_items(rows: Sequence[Mapping[str, str]]) -> list[Item]:
    """Return rows of instruction, input and answer as items."""
    return [
        Item(f"instruction:train:{n}", "instruction", row["instruction"], row["input"], row["answer"])
        for n, row in enumerate(rows)
    ]
