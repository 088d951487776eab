"""The proof that rows read together learn what they learn alone, made before every such training starts.

Where attention does not keep rows apart, libraries only warn, if that, and a run silently learns something
else. So loss and gradients of a few rows read together are held against those of the same rows alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch.distributed.tensor import DTensor
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from cocktail.errors import RunError
from cocktail.training.pieces import Piece, token_losses
from cocktail.training.prefix import row_parts

PROVED = 3  # rows that are compared, unless a window asks for the longest one

# Nats, of a trained token on average, and part of the length of the gradient. It is decided in float32 where
# the weights are; bfloat16 keeps 8 bits: kernels differ in the second digit of a loss.
TOLERANCES = {torch.float32: (1e-4, 5e-4), torch.bfloat16: (1e-1, 2e-1)}


@dataclass(frozen=True)
class Difference:
    """How far rows read together are from the same rows alone.

    Attributes:
        loss: mean absolute difference of a trained token's loss, in nats; infinite if tokens are missing.
        gradient: length of the difference of the gradients, as part of the gradient's length.
        dtype: of the weights, in which it was computed.
    """

    loss: float
    gradient: float
    dtype: torch.dtype

    @property
    def proved(self) -> bool:
        """Whether the two are the same but for rounding."""
        loss, gradient = TOLERANCES[self.dtype]
        return self.loss <= loss and self.gradient <= gradient

    def __str__(self) -> str:
        return f"the loss of a token differs by {self.loss:.2g}, the gradient by {100 * self.gradient:.2g} %"


class TogetherProof(TrainerCallback):  # type: ignore[misc]  # transformers is untyped for mypy here
    """Compares before the first step, and says what follows from a difference.

    Args:
        together: pieces of a few rows, made as the training makes them.
        alone: the same rows in the same order, each a piece of its own.
        refuse: what to do if they differ.
    """

    def __init__(
        self, together: Sequence[Piece], alone: Sequence[Piece], refuse: Callable[[Difference], None]
    ) -> None:
        self._together, self._alone, self._refuse = together, alone, refuse

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: Any = None,
        **kwargs: Any,
    ) -> None:
        together, alone = (
            [to_device(piece, args.device) for piece in pieces] for pieces in (self._together, self._alone)
        )
        found = compare(model, together, alone)
        if not found.proved:
            self._refuse(found)


def compare(model: Any, together: Sequence[Piece], alone: Sequence[Piece]) -> Difference:
    """Read rows together and alone; the model is as before, but that its gradients are none."""
    training = model.training
    model.eval()  # dropout would differ between the two
    with _without_autocast(model):
        ours = _backward(model, together, 1.0)
        length = _length_of_gradient(model)
        theirs = _backward(model, alone, -1.0)
        rest = _length_of_gradient(model)
    model.zero_grad(set_to_none=True)
    model.train(training)
    same = len(ours) == len(theirs)
    return Difference(
        loss=float((ours - theirs).abs().mean()) if same else float("inf"),
        gradient=rest / length if length else float("inf"),
        dtype=torch.bfloat16 if model.dtype == torch.bfloat16 else torch.float32,
    )


def _backward(model: Any, pieces: Sequence[Piece], factor: float) -> torch.Tensor:
    """Add the gradient of the summed losses, times ``factor``, and return the losses."""
    found = []
    for piece in pieces:
        losses = token_losses(model, piece)
        torch.autograd.backward(factor * losses.sum())
        found.append(losses.detach().float())
    return torch.cat(found)


def _length_of_gradient(model: Any) -> float:
    squares = [p.grad.float().square().sum() for p in model.parameters() if p.grad is not None]
    whole = [one.full_tensor() if isinstance(one, DTensor) else one for one in squares]
    return math.sqrt(sum(map(float, whole)))


@contextmanager
def _without_autocast(model: Any) -> Iterator[None]:
    """Let a model that accelerate has put into autocast compute in the precision of its weights."""
    original = model.__dict__.get("_original_forward")
    if original is None:
        yield
        return
    wrapped, model.forward = model.forward, original
    try:
        yield
    finally:
        model.forward = wrapped


def to_device(value: Any, device: torch.device) -> Any:
    """Return a piece with all its tensors on ``device``."""
    if isinstance(value, Mapping):
        return {name: to_device(one, device) for name, one in value.items()}
    return value.to(device) if isinstance(value, torch.Tensor) else value


def proof_rows(features: Sequence[Mapping[str, Any]], *, window: int | None) -> list[Mapping[str, Any]]:
    """Return short neighbours, in order, to prove sharing on; with the longest row, if a window cuts it."""
    ordered = sorted(features, key=row_parts)
    shortest = min(range(len(ordered)), key=lambda index: len(ordered[index]["input_ids"]))
    start = max(0, min(shortest - 1, len(ordered) - PROVED))
    chosen = ordered[start : start + PROVED]
    longest = max(ordered, key=lambda row: len(row["input_ids"]))
    if window and len(longest["input_ids"]) > window and longest not in chosen:
        chosen = [*chosen[1:], longest]
    return sorted(chosen, key=row_parts)


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


def refuse_packing(found: Difference) -> None:
    """Raise a RunError: packed rows see each other."""
    raise RunError(
        f"packed rows are not kept apart: {found}", fix="train.packing=false, or another train.attention"
    )
