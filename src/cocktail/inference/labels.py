"""Label decoding: which label a model prefers, whatever it would write freely.

The labels' tokens form a trie; at each branching the child with the highest score is taken, as greedy
generation would if only labels could be written. The first branching needs no pass of its own (the scores
of generation's first step serve), and where first tokens differ that is all. A label can never be INVALID,
so this hides whether a model follows the format: it is a column beside the free answer, never instead of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from cocktail.errors import RunError
from cocktail.inference.engine import Engine
from cocktail.prompts import Prompt, Tokenizer, completion_ids

Trie: TypeAlias = dict[int, Any]
"""token -> trie of what may follow; a leaf is the label itself."""


def label_trie(
    tokenizer: Tokenizer, spellings: Mapping[str, str], *, prompt: Prompt, stop_token: str
) -> Trie:
    """Build the trie of the labels' tokens, each ended by the stop token.

    Args:
        spellings: label -> how it is written in the answers that were trained on.
        prompt: any rendered prompt of the task: tokens depend on what stands before them.

    Raises:
        RunError: two labels tokenise alike.
    """
    trie: Trie = {}
    for label, spelling in spellings.items():
        ids = completion_ids(tokenizer, prompt, spelling, stop_token)
        node = trie
        for token in ids[:-1]:
            node = node.setdefault(token, {})
        if ids[-1] in node:
            raise RunError(f"labels {node[ids[-1]]!r} and {label!r} are written alike")
        node[ids[-1]] = label
    return trie


def choose_labels(
    engine: Engine, prompts: Sequence[Sequence[int]], *, trie: Trie, first_choices: Sequence[int]
) -> list[str]:
    """Follow the trie from each prompt's first choice to a label.

    Args:
        prompts: token ids.
        first_choices: for each prompt the best of the trie's first tokens.
    """
    paths = [[token] for token in first_choices]
    nodes = [_follow(trie[token], path) for token, path in zip(first_choices, paths, strict=True)]
    while open_rows := [i for i, node in enumerate(nodes) if isinstance(node, dict)]:
        tokens = engine.choose(
            [[*prompts[i], *paths[i]] for i in open_rows], [list(nodes[i]) for i in open_rows]
        )
        for i, token in zip(open_rows, tokens, strict=True):
            paths[i].append(token)
            nodes[i] = _follow(nodes[i][token], paths[i])
    return [str(node) for node in nodes]


def _follow(node: Any, path: list[int]) -> Any:
    """Walk on while there is no choice, noting the tokens passed."""
    while isinstance(node, dict) and len(node) == 1:
        ((token, node),) = node.items()
        path.append(token)
    return node
