"""What a from-scratch base reads: text and instructions of the generated world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from cocktail.config import PretrainConfig
from cocktail.prompts import Item
from cocktail.sources.embedded import instruction_rows, pretraining_text


class Texts(TypedDict):
    """Documents to pretrain on, rows of the instruction phase."""

    documents: Sequence[str]
    instructions: Sequence[Item]


def read_texts(config: PretrainConfig) -> Texts:
    """Return the texts of a base."""
    rows = instruction_rows(seed=config.seed, count=config.instruction_rows)
    return Texts(
        documents=list(pretraining_text(seed=config.seed, num_tokens_hint=config.text_tokens)),
        instructions=instruction_items(rows),
    )


def instruction_items(rows: Sequence[Mapping[str, str]]) -> list[Item]:
    """Return rows of instruction, input and answer as items."""
    return [
        Item(f"instruction:train:{n}", "instruction", row["instruction"], row["input"], row["answer"])
        for n, row in enumerate(rows)
    ]
