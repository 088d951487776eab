"""A step's rows in pieces: what a model reads at once, and the loss of each token that is trained.

A piece is a tree of rows that share what they begin with, or a batch of padded or packed rows. Gradients of
a step are summed over its pieces, each weighted by its trained tokens: how a step is cut changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from peft import PeftModel, PeftType
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from cocktail.training.prefix import plant, tree_inputs, tree_mask
from cocktail.training.rows import IGNORED

Collator: TypeAlias = Callable[[Sequence[Mapping[str, Any]]], dict[str, Any]]
Piece: TypeAlias = dict[str, Any]
"""What the model is given, and ``targets``, (rows, positions): the token to predict next, or ``IGNORED``."""


@dataclass
class StepCollator:
    """Cuts the rows that one process has of a step into pieces.

    Attributes:
        collate: TRL's collator; pads rows, or keeps packed ones apart by their positions.
        batch_rows: rows of a padded piece.
        tree_tokens: tokens of a tree; 0: rows are padded, and share nothing.
        virtual: learned tokens before every row (prompt tuning).
    """

    collate: Collator
    batch_rows: int
    tree_tokens: int
    virtual: int = 0

    def __call__(self, features: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the pieces, and all their labels once, which the trainer counts."""
        pieces = self.trees(features) if self.tree_tokens else self.batches(features)
        trained = torch.cat([piece["targets"][piece["targets"] != IGNORED] for piece in pieces])
        return {"labels": trained, "shift_labels": trained, "pieces": pieces}

    def trees(self, features: Sequence[Mapping[str, Any]]) -> list[Piece]:
        """Return pieces in which rows share what they begin with."""
        return [
            {
                **tree_inputs(tree, virtual=self.virtual),
                "targets": torch.tensor([tree.targets]),
            }
            for tree in plant(features, max_tokens=self.tree_tokens)
        ]

    def batches(self, features: Sequence[Mapping[str, Any]]) -> list[Piece]:
        """Return pieces in which rows stand alone."""
        found = []
        for start in range(0, len(features), self.batch_rows):
            piece = self.collate(features[start : start + self.batch_rows])
            piece.pop("attention_mask", None)  # padding is on the right, where a causal model never looks
            piece["targets"] = functional.pad(piece.pop("labels")[:, 1:], (0, 1), value=IGNORED)
            found.append(piece)
        return found


def token_losses(model: Any, piece: Piece) -> torch.Tensor:
    """Return the loss of each trained token of a piece, row by row, in nats.

    Logits are computed only where some row is trained. TRL scores every position and gathers entropy and
    accuracy at every step: with half a million parameters and short answers that costs a third of the time.
    """
    inputs = {name: value for name, value in piece.items() if name != "targets"}
    positions = (piece["targets"] != IGNORED).any(dim=0).nonzero().squeeze(1)
    targets = piece["targets"][:, positions].reshape(-1)
    logits = _read(model, inputs, positions).float().flatten(0, 1)
    losses = functional.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="none")
    return losses[targets != IGNORED]


def _read(model: Any, inputs: dict[str, Any], positions: torch.Tensor) -> torch.Tensor:
    """Return logits at ``positions``, (rows, positions, vocabulary)."""
    ends = inputs.pop("ends", None)
    if ends is not None:
        whole = model.module if isinstance(model, DistributedDataParallel) else model
        inputs["attention_mask"] = tree_mask(whole.config, inputs["position_ids"], ends)
    prompted = isinstance(model, PeftModel) and model.peft_type == PeftType.PROMPT_TUNING
    if not prompted:
        read: torch.Tensor = model(**inputs, use_cache=False, logits_to_keep=positions).logits
        return read
    # peft takes neither positions nor a mask of four dimensions: the learned tokens go in front here.
    ids = inputs.pop("input_ids")
    learned = model.get_prompt(batch_size=len(ids))
    rows = torch.cat([learned, model.word_embeddings(ids).to(learned.dtype)], dim=1)
    read = model.base_model(
        inputs_embeds=rows, **inputs, use_cache=False, logits_to_keep=positions + learned.shape[1]
    ).logits
    return read
