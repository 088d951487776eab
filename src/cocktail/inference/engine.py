"""What answers questions: our own loop on torch, or vLLM. Both are greedy and take token ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cocktail.inference.labels import Trie


@dataclass(frozen=True)
class Question:
    """One prompt to answer.

    Attributes:
        prompt: token ids.
        limit: at most so many tokens are generated.
        labels: if given, the label that the model prefers is found as well (label decoding).
    """

    prompt: tuple[int, ...]
    limit: int
    labels: Trie | None = None


@dataclass(frozen=True)
class Generated:
    """What was generated: ids without the stop token, whether it came, and the preferred label, or ""."""

    ids: tuple[int, ...]
    stopped: bool
    label: str = ""


class Engine(Protocol):
    """A model that answers."""

    def generate(self, questions: Sequence[Question]) -> list[Generated]:
        """Answer greedily; the result is in the order of ``questions``."""
        ...
