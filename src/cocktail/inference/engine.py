"""What answers questions: our own loop on torch, or vLLM, both greedy on token ids; and label decoding.

**Label decoding**: which label a model prefers, whatever it would write freely. The labels' tokens form a
trie; at each branching the child with the highest score is taken, as greedy generation would if only labels
could be written. A label can never be INVALID, so this hides whether a model follows the format: it is a
column beside the free answer, never instead of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any, Protocol, TypeAlias

from cocktail.data.prompts import Prompt, Tokenizer, completions
from cocktail.errors import RunError

Trie: TypeAlias = dict[int, Any]
"""token -> trie of what may follow; a leaf is the label itself."""

Choose: TypeAlias = Callable[[Sequence[Sequence[int]], Sequence[Sequence[int]]], list[int]]
"""For each row of token ids the best next token among those allowed there."""


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


def label_trie(
    tokenizer: Tokenizer, verbalizers: Mapping[str, str], *, prompt: Prompt, stop_token: str
) -> Trie:
    """Build the trie of the labels' tokens, each ended by the stop token.

    Args:
        verbalizers: label -> how it is written in the answers that were trained on.
        prompt: any rendered prompt of the task: tokens depend on what stands before them.

    Raises:
        RunError: two labels tokenise alike.
    """
    trie: Trie = {}
    for label, text in verbalizers.items():
        ids = completions(tokenizer, [prompt], [text], stop_token)[0]
        node = trie
        for token in ids[:-1]:
            node = node.setdefault(token, {})
        if ids[-1] in node:
            raise RunError(f"labels {node[ids[-1]]!r} and {label!r} are written alike")
        node[ids[-1]] = label
    return trie


class Walk:
    """The way through a trie, token by token.

    Attributes:
        path: the tokens taken so far.
    """

    def __init__(self, trie: Trie) -> None:
        self._node: Trie | str = trie
        self.path: list[int] = []

    @property
    def label(self) -> str:
        """The label that was come to; "" on the way."""
        return "" if isinstance(self._node, dict) else self._node

    @property
    def choices(self) -> list[int]:
        """The tokens that may follow; none at a label."""
        return list(self._node) if isinstance(self._node, dict) else []

    def take(self, token: int) -> None:
        """Go on by one token of ``choices``."""
        if isinstance(self._node, dict):
            self._node = self._node[token]
            self.path.append(token)

    def to_choice(self) -> None:
        """Go on while there is but one way."""
        while len(self.choices) == 1:
            self.take(self.choices[0])


def choose_labels(choose: Choose, prompts: Sequence[Sequence[int]], tries: Sequence[Trie]) -> list[str]:
    """Return the label that each prompt comes to.

    Args:
        choose: of the engine that answers.
        prompts: token ids.
        tries: of each prompt's task.
    """
    walks = [Walk(trie) for trie in tries]
    for walk in walks:
        walk.to_choice()
    while open_rows := [row for row, walk in enumerate(walks) if walk.choices]:
        asked = [[*prompts[row], *walks[row].path] for row in open_rows]
        for row, token in zip(
            open_rows, choose(asked, [walks[row].choices for row in open_rows]), strict=True
        ):
            walks[row].take(token)
            walks[row].to_choice()
    return [walk.label for walk in walks]
