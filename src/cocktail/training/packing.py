"""The proof that packed rows do not see their neighbours; every packed training makes it before it starts.

Where attention does not keep them apart, TRL only warns, and a run silently learns something else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import torch
from torch.nn import functional
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from cocktail.errors import RunError
from cocktail.training.rows import IGNORED

# Nats, of a trained token on average. bfloat16 keeps 8 bits: kernels differ in the second digit of a loss.
TOLERANCES = {torch.float32: 1e-3, torch.bfloat16: 1e-1}

Collator = Callable[[Sequence[Mapping[str, Any]]], dict[str, Any]]


class PackingProof(TrainerCallback):  # type: ignore[misc]  # transformers is untyped for mypy here
    """Compares the loss of each token of one packed sequence with that in its row alone.

    Args:
        sequence: the one with the most rows: of a single row there would be nothing to prove.
        collate: the trainer's own collator, so that what is checked is what is trained on.
        precision: in which the training computes.
    """

    def __init__(self, sequence: Mapping[str, Any], collate: Collator, precision: torch.dtype) -> None:
        self._sequence, self._collate, self._precision = sequence, collate, precision

    @torch.no_grad()
    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: Any = None,
        **kwargs: Any,
    ) -> None:
        rows = unpack(self._sequence)
        training = model.training
        model.eval()  # dropout would differ between the two
        with torch.autocast(args.device.type, self._precision, enabled=self._precision != torch.float32):
            packed = self._loss(model, self._sequence, args.device)
            alone = torch.cat([self._loss(model, row, args.device) for row in rows])
        model.train(training)
        same = len(packed) == len(alone)
        difference = float((packed - alone).abs().mean()) if same else float("inf")
        if difference > TOLERANCES[self._precision]:
            raise RunError(
                f"packed rows are not kept apart: the loss of a token differs by {difference:.2g}",
                fix="train.packing=false, or another train.attention",
            )

    def _loss(self, model: Any, sequence: Mapping[str, Any], device: torch.device) -> torch.Tensor:
        """The loss of each trained token of one sequence."""
        batch = {
            name: value.to(device) if isinstance(value, torch.Tensor) else value
            for name, value in self._collate([sequence]).items()
        }
        batch.pop("attention_mask", None)  # as in training
        following = batch.pop("labels")[:, 1:].flatten()
        scores = model(**batch, use_cache=False).logits[:, :-1].float().flatten(0, 1)
        losses = functional.cross_entropy(scores, following, ignore_index=IGNORED, reduction="none")
        return losses[following != IGNORED]


def unpack(sequence: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a packed sequence (``input_ids``, ``labels``, ``seq_lengths``) as such sequences."""
    ends = list(accumulate(sequence["seq_lengths"]))
    return [
        {
            "input_ids": sequence["input_ids"][end - length : end],
            "labels": sequence["labels"][end - length : end],
            "seq_lengths": [length],
        }
        for end, length in zip(ends, sequence["seq_lengths"], strict=True)
    ]
