"""Prefix sharing: what several rows of a step begin with is read once, with the gradients of each alone.

The rows' tokens form a tree, laid out depth first as one sequence. A token sees its ancestors only, and its
position is its depth, so it gets what it would get in its row alone. Two things are never shared: answers,
and the last token of a prompt, which predicts the answer's first token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.attention.flex_attention import create_block_mask
from transformers import PretrainedConfig

from cocktail.training.rows import IGNORED

FULL, SLIDING = "full_attention", "sliding_attention"
Feature = Mapping[str, Sequence[int]]
"""A row as the trainer holds it: ``input_ids`` and ``labels``."""


@dataclass
class Tree:
    """Rows that were laid out as one sequence, depth first; every list has one entry a token.

    Attributes:
        depths: the position of the token in each row that it belongs to.
        ends: one past the last token below; token k is an ancestor of those in ``range(k, ends[k])``.
        targets: the token to predict next, or ``IGNORED``.
        rows: how many rows it holds.
    """

    input_ids: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    rows: int = 0


def plant(features: Sequence[Feature], *, max_tokens: int) -> list[Tree]:
    """Lay rows out as trees of at most ``max_tokens`` tokens; a longer row stands alone.

    Rows come in the order of their prompts, whatever their order was: the trees hang on the rows alone.
    """
    trees: list[Tree] = []
    path: list[int] = []  # the tree's tokens along the prompt of the row before
    before: list[int] = []
    for prompt, answer in sorted(row_parts(feature) for feature in features):
        shared = min(_common(before, prompt), len(before) - 1, len(prompt) - 1) if trees else 0
        size = len(prompt) + len(answer)
        if not trees or len(trees[-1].input_ids) + size - shared > max_tokens:
            _close(trees[-1:], path)
            trees.append(Tree())
            path, shared = [], 0
        tree = trees[-1]
        start = len(tree.input_ids)
        _close([tree], path[shared:])
        path = [*path[:shared], *range(start, start + len(prompt) - shared)]
        tree.input_ids += [*prompt[shared:], *answer]
        tree.depths += range(shared, size)
        tree.ends += [start + size - shared] * (size - shared)
        tree.targets += [IGNORED] * (len(prompt) - shared - 1) + [*answer, IGNORED]
        tree.rows += 1
        before = prompt
    _close(trees[-1:], path)
    return trees


def _close(trees: Sequence[Tree], path: Sequence[int]) -> None:
    """No row goes on below the tokens of ``path``: what is laid out by now is all below them."""
    for tree in trees:
        for token in path:
            tree.ends[token] = len(tree.input_ids)


def row_parts(feature: Feature) -> tuple[list[int], list[int]]:
    """Return a row's prompt and what is trained after it."""
    start = next(index for index, label in enumerate(feature["labels"]) if label != IGNORED)
    return list(feature["input_ids"][:start]), list(feature["input_ids"][start:])


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    return next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def tree_inputs(tree: Tree, *, virtual: int = 0) -> dict[str, torch.Tensor]:
    """Return a tree as tensors: ``input_ids`` and ``position_ids`` of shape (1, tokens), and ``ends``.

    Args:
        virtual: learned tokens before all rows; they have positions and ends, but no ids.
    """
    total = virtual + len(tree.input_ids)
    return {
        "input_ids": torch.tensor([tree.input_ids]),
        "position_ids": torch.tensor([[*range(virtual), *(depth + virtual for depth in tree.depths)]]),
        "ends": torch.tensor([total] * virtual + [end + virtual for end in tree.ends]),
    }


def tree_mask(config: PretrainedConfig, position_ids: torch.Tensor, ends: torch.Tensor) -> Any:
    """Return the mask with which a tree's tokens see their ancestors, or one for each kind of attention.

    Boolean, (1, 1, tokens, tokens), for sdpa; flex attention is given the blocks in which anything is seen.
    """
    depths, total = position_ids[0], len(ends)
    near = window(config) or total

    def ancestor(batch: Any, head: Any, query: Any, key: Any) -> Any:
        return (key <= query) & (query < ends[key])

    def near_ancestor(batch: Any, head: Any, query: Any, key: Any) -> Any:
        return ancestor(batch, head, query, key) & (depths[query] - depths[key] < near)

    def mask(seen: Callable[[Any, Any, Any, Any], Any]) -> Any:
        if config._attn_implementation == "flex_attention":
            return create_block_mask(seen, None, None, total, total, device=str(ends.device))
        order = torch.arange(total, device=ends.device)
        return seen(0, 0, order[:, None], order[None, :])[None, None]

    rules = {FULL: ancestor, SLIDING: near_ancestor}
    masks = {kind: mask(rules[kind]) for kind in sorted(attention_kinds(config))}
    return masks if len(masks) > 1 else next(iter(masks.values()))


def attention_kinds(config: PretrainedConfig) -> set[str]:
    """Return the kinds of attention of a model's layers, by transformers' names."""
    layers = getattr(config.get_text_config(), "layer_types", None)
    return set(layers) if layers else {SLIDING if window(config) else FULL}


def window(config: PretrainedConfig) -> int | None:
    """Return over how many tokens a layer with a sliding window looks, its own included; None: over all."""
    text = config.get_text_config()
    width = getattr(text, "sliding_window", None)
    return int(width) if width and getattr(text, "use_sliding_window", True) else None


def obstacles(model: Any) -> Iterator[str]:
    """Yield why the rows of a training cannot share what they have in common; nothing: they can."""
    unknown = attention_kinds(model.config) - {FULL, SLIDING}
    if unknown:
        yield f"layers of kind {', '.join(sorted(unknown))}"
    attention = model.config._attn_implementation
    if attention not in ("sdpa", "flex_attention"):
        yield f"{attention} takes no mask of our own"
    dropout = [module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)]
    if any(dropout) or getattr(model.config.get_text_config(), "attention_dropout", None):
        yield "dropout: rows that share a token would share what is dropped"
