"""What a from-scratch base reads: text of the generated world, or of real corpora."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from cocktail.config import PretrainConfig
from cocktail.corpora import INSTRUCTIONS, TEXT
from cocktail.errors import RunError
from cocktail.prompts import Item
from cocktail.records import read_table
from cocktail.sources.embedded import instruction_rows, pretraining_text


class Texts(TypedDict):
    """Documents to pretrain on, held-out documents by corpus, rows of the instruction phase."""

    documents: Sequence[str]
    held_out: Mapping[str, Sequence[str]]
    instructions: Sequence[Item]


def read_texts(config: PretrainConfig, *, corpus: Path) -> Texts:
    """Return the texts of a base.

    Args:
        corpus: what stage ``corpus`` wrote.

    Raises:
        RunError: the corpus has fewer instruction rows than the model is to read.
        DataError: the corpus cannot be read.
    """
    if config.text == "generated":
        rows: Sequence[Mapping[str, str]] = instruction_rows(seed=config.seed, count=config.instruction_rows)
        documents = list(pretraining_text(seed=config.seed, num_tokens_hint=config.text_tokens))
        return Texts(documents=documents, held_out={}, instructions=instruction_items(rows))
    text, table = read_table(corpus / TEXT), read_table(corpus / INSTRUCTIONS)
    if len(table) < config.instruction_rows:
        raise RunError(
            f"{len(table)} instruction rows, {config.instruction_rows} are to be read",
            where=str(corpus),
            fix="corpora.instruction_rows, or models.<name>.pretrain.instruction_rows",
        )
    columns = ["instruction", "input", "answer"]
    records = [
        dict(zip(columns, values, strict=True))
        for values in table[columns][: config.instruction_rows].itertuples(index=False, name=None)
    ]
    held_out = text[text["split"] == "held_out"]
    return Texts(
        documents=text["text"][text["split"] == "train"].tolist(),
        held_out={str(name): part["text"].tolist() for name, part in held_out.groupby("corpus")},
        instructions=instruction_items(records),
    )


def instruction_items(rows: Sequence[Mapping[str, str]]) -> list[Item]:
    """Return rows of instruction, input and answer as items."""
    return [
        Item(f"instruction:train:{n}", "instruction", row["instruction"], row["input"], row["answer"])
        for n, row in enumerate(rows)
    ]
