"""A random Phi-3-shaped model of some thousand parameters, its tokenizer, and made-up rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from cocktail.config import ModelConfig
from cocktail.data.prompts import Item
from cocktail.training.base import new_model, save_base
from cocktail.training.keys import base_identity
from cocktail.training.recipe import Recipe
from cocktail.training.rows import TrainingRow, training_rows
from cocktail.training.tokenizer import train_tokenizer

STOP = "<|end|>"
TEXTS = [
    "The mill sold more cloth than last year, and its shares rose 4 percent. The tone is positive.",
    "Orders fell at the yard; the owner cut 12 jobs. The tone is negative, not neutral.",
    "Gold | Metals and Stock Commentary and Stock Movement are topics. What is the topic of this message?",
] * 4
MODEL = ModelConfig(
    kind="scratch",
    architecture="phi3",
    stop_token=STOP,
    vocabulary=400,
    hidden=32,
    layers=2,
    heads=2,
    feed_forward=64,
    context=256,
    pretrain={
        "seed": 3,
        "text_tokens": 1500,
        "instruction_rows": 8,
        "block": 32,
        "batch_size": 4,
        "learning_rate": 3e-3,
        "instruction_learning_rate": 1e-3,
        "instruction_epochs": 1.0,
        "threads": 1,
    },
)
RECIPE = Recipe(
    method="full",
    seed=42,
    learning_rate=3e-3,
    epochs=1.0,
    max_steps=0,
    warmup_steps=0,
    batch_size=2,
    gradient_accumulation_steps=1,
    scheduler="cosine",
    max_grad_norm=1.0,
    weight_decay=0.0,
    max_length=128,
    packing=False,
    precision="fp32",
    checkpointing="never",
    group_by_length=True,
)
ITEMS = [
    Item("tone:train:0", "tone", "What is the tone?", "The mill sold more cloth.", "positive"),
    Item(
        "tone:train:1",
        "tone",
        "What is the tone?",
        "Orders fell at the yard; the owner cut 12 jobs.",
        "negative",
    ),
    Item("sum:train:0", "sum", "Add 4 and 5.", "", "4 + 5 = 9"),
    Item("sum:train:1", "sum", "Add 1 and 2.", "", "1 + 2 = 3"),
    Item("tone:train:2", "tone", "What is the tone?", "Shares rose 4 percent last year.", "positive"),
]


def tiny_tokenizer() -> Any:
    """A tokenizer of our own kind."""
    return train_tokenizer(TEXTS, vocabulary=400, stop_token=STOP, context=256)


def tiny_model(tokenizer: Any, *, seed: int = 0, spread: float = 1.0) -> Any:
    """A random model; with a larger spread of its weights its answers differ between prompts."""
    torch.manual_seed(seed)
    model = new_model(MODEL, tokenizer)
    for parameter in model.parameters():
        parameter.data *= spread
    return model


def tiny_rows(tokenizer: Any, items: list[Item] = ITEMS) -> list[TrainingRow]:
    rows, _ = training_rows(tokenizer, items, stop_token=STOP, max_length=128, truncation="fail")
    return rows


def recipe(**changes: Any) -> Recipe:
    return replace(RECIPE, **changes)


def write_tiny_base(folder: Path) -> Path:
    """A base model's folder as stage ``base`` writes it."""
    folder.mkdir(parents=True)
    tokenizer = tiny_tokenizer()
    receipt = {"kind": "scratch", "identity": base_identity(MODEL, source="")}
    save_base(tiny_model(tokenizer, spread=4.0), tokenizer, out=folder, receipt=receipt)
    return folder
