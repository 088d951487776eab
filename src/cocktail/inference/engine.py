"""What answers questions: our own loop on torch, or vLLM. Both are greedy and take token ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Question:
    """One prompt to answer.

    Attributes:
        prompt: token ids.
        limit: at most so many tokens are generated.
        first_tokens: if not empty, the best of these at the first step is noted (label decoding).
        group: questions of one group begin alike, so they share a batch and its prefix.
    """

    prompt: tuple[int, ...]
    limit: int
    first_tokens: tuple[int, ...] = ()
    group: str = ""


@dataclass(frozen=True)
class Generated:
    """What was generated: ids without the stop token, whether it came, and the best of ``first_tokens``."""

    ids: tuple[int, ...]
    stopped: bool
    first_choice: int | None


class Engine(Protocol):
    """A model that answers."""

    def generate(self, questions: Sequence[Question]) -> list[Generated]:
        """Answer greedily; the result is in the order of ``questions``."""
        ...

    def choose(self, rows: Sequence[Sequence[int]], allowed: Sequence[Sequence[int]]) -> list[int]:
        """Return for each row of token ids the best next token among those allowed there."""
        ...
