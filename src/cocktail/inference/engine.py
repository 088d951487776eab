"""What answers questions: our own loop on torch, or vLLM. Both are greedy and take token ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Protocol

from cocktail.inference.labels import Trie


@dataclass(frozen=True)
class Question:
    """One prompt to answer.

    Attributes:
        prompt: token ids.
        limit: at most so many tokens are generated.
        labels: if given, the label that the model prefers is found as well (label decoding).
        reference: token ids of the reference answer; if there are any, the model says how likely they are.
    """

    prompt: tuple[int, ...]
    limit: int
    labels: Trie | None = None
    reference: tuple[int, ...] = ()


@dataclass(frozen=True)
class Generated:
    """What was generated.

    Attributes:
        ids: without the stop token.
        stopped: whether the stop token came.
        label: the preferred label, or "".
        reference_logprob: mean log-probability of the reference answer's tokens, in nats; NaN without one.
    """

    ids: tuple[int, ...]
    stopped: bool
    label: str = ""
    reference_logprob: float = nan


class Engine(Protocol):
    """A model that answers."""

    def generate(self, questions: Sequence[Question]) -> list[Generated]:
        """Answer greedily; the result is in the order of ``questions``."""
        ...
