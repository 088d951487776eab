"""What an endpoint is asked, and what it says, read strictly: a chat completion, or one clear error.

A question is known by the digest of all that decides its answer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from cocktail.errors import EndpointError
from cocktail.files.records import digest_value
from cocktail.inference.endpoint import EXAMPLE, URL

NUM_PROBLEMS = 3  # that an error names


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


REFUSED = Reply(text="", num_tokens=0, stopped=False)


class _Message(BaseModel, strict=True):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel, strict=True):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel, strict=True):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Completion(BaseModel, strict=True):
    """What is read of a chat completion; everything else is left alone."""

    choices: list[_Choice] = Field(min_length=1, max_length=1)  # of two answers, which one?
    usage: _Usage | None = None


def read_completion(body: str) -> tuple[Reply, dict[str, int]]:
    """Return the reply (empty where it was refused), and the tokens of question and answer.

    Raises:
        EndpointError: the body is no chat completion; says which fields are missing or wrong.
    """
    try:
        completion = _Completion.model_validate_json(body)
    except ValidationError as error:
        found = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:NUM_PROBLEMS]]
        told = "; ".join(problem.removeprefix(": ") for problem in found)
        raise EndpointError(
            f"the endpoint's answer is no chat completion ({told})", where=URL, fix=EXAMPLE
        ) from None
    choice, usage = completion.choices[0], completion.usage or _Usage()
    tokens = {"prompt_tokens": usage.prompt_tokens, "answer_tokens": usage.completion_tokens}
    if choice.finish_reason == "content_filter" or choice.message.refusal:
        return REFUSED, tokens
    ended = choice.finish_reason == "stop"
    return Reply(choice.message.content or "", usage.completion_tokens, stopped=ended), tokens


def is_filtered(body: str) -> bool:
    """Whether an error says that the server's content filter stopped the question."""
    try:
        return bool(json.loads(body)["error"]["code"] == "content_filter")
    except (ValueError, KeyError, TypeError):
        return False
