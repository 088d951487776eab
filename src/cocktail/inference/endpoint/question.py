"""What is asked and what comes back; a question is known by the digest of all that decides its answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cocktail.files.records import digest_value


@dataclass(frozen=True)
class EndpointQuestion:
    """One chat of ``messages`` (role, text) for the model that the server knows as ``model``."""

    model: str
    messages: tuple[tuple[str, str], ...]
    max_tokens: int

    def body(self) -> dict[str, Any]:
        """Return the request: greedy, as our own models answer."""
        return {
            "model": self.model,
            "messages": [{"role": role, "content": text} for role, text in self.messages],
            "temperature": 0,
            "max_tokens": self.max_tokens,
        }

    @cached_property
    def key(self) -> str:
        """The sha256 of model, messages and settings."""
        return digest_value(self.body())


@dataclass(frozen=True)
class Reply:
    """An answer: its text ("" where the server refused twice), tokens, and whether it came to its end."""

    text: str
    num_tokens: int
    stopped: bool
