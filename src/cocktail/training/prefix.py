"""Prefix sharing: what several rows of a step begin with is read once, with the gradients of each alone.

The rows' tokens form a tree, laid out depth first as one sequence. A token sees its ancestors only, and its
position is its depth, so it gets what it would get in its row alone. Two things are never shared: answers,
and the last token of a prompt, which predicts the answer's first token.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.attention.flex_attention import create_block_mask
from transformers import PretrainedConfig

from cocktail.training.rows import IGNORED

TREE_TOKENS = {"cpu": 512, "cuda": 4096}  # masks are dense: on CPUs more cost more than they share
FULL, SLIDING = "full_attention", "sliding_attention"
Feature = Mapping[str, Sequence[int]]
"""A row as the trainer holds it: ``input_ids`` and ``labels``."""


@dataclass
class Tree:
    """Rows that were laid out as one sequence, depth first; lists have one entry a token.

    Attributes:
        depths: the position of the token in each row that it belongs to.
        ends: one past the last token below; token k is an ancestor of those in ``range(k, ends[k])``.
        targets: the token to predict next, or ``IGNORED``.
        path: the tokens along the prompt of the last row.
        leaves: the last token of each row, in order.
    """

    input_ids: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    path: list[int] = field(default_factory=list)
    leaves: list[int] = field(default_factory=list)

    @classmethod
    def along(cls, ids: Sequence[int]) -> Tree:
        """Return a tree without rows, of the first tokens of a prompt."""
        tree = cls(list(ids), list(range(len(ids))), [len(ids)] * len(ids), [IGNORED] * len(ids))
        tree.path = list(range(len(ids)))
        return tree

    def add(self, prompt: Sequence[int], answer: Sequence[int]) -> None:
        """Lay out a row below what it shares with the prompt of the row before."""
        start, shared = len(self.input_ids), self.shares(prompt)
        size = len(prompt) + len(answer) - shared
        self.close(shared)
        self.input_ids += [*prompt[shared:], *answer]
        self.depths += range(shared, shared + size)
        self.ends += [start + size] * size
        self.targets += [IGNORED] * (len(prompt) - shared - 1) + [*answer, IGNORED]
        self.path += range(start, start + len(prompt) - shared)
        self.leaves.append(start + size - 1)

    def shares(self, prompt: Sequence[int]) -> int:
        """Return how many first tokens a prompt shares with the row before; the last of a prompt never is."""
        before = [self.input_ids[token] for token in self.path]
        return max(0, min(_common(before, prompt), len(before) - 1, len(prompt) - 1))

    def close(self, shared: int = 0) -> None:
        """Go back to the first ``shared`` tokens of the path: all laid out by now is below the rest."""
        for token in self.path[shared:]:
            self.ends[token] = len(self.input_ids)
        del self.path[shared:]


def plant(features: Sequence[Feature], *, max_tokens: int) -> list[Tree]:
    """Lay rows out as trees of at most ``max_tokens`` tokens; a longer row stands alone.

    Rows come in the order of their prompts, whatever their order was: the trees hang on the rows alone.
    """
    trees: list[Tree] = []
    for prompt, answer in sorted(row_parts(feature) for feature in features):
        size = len(prompt) + len(answer)
        if not trees or len(trees[-1].input_ids) + size - trees[-1].shares(prompt) > max_tokens:
            trees.append(Tree())
        trees[-1].add(prompt, answer)
    for tree in trees:
        tree.close()
    return trees


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
    depths, total, width = position_ids[0], len(ends), window(config)

    def ancestor(batch: Any, head: Any, query: Any, key: Any) -> Any:
        return (key <= query) & (query < ends[key])

    def near_ancestor(batch: Any, head: Any, query: Any, key: Any) -> Any:
        return ancestor(batch, head, query, key) & (depths[query] - depths[key] < (width or total))

    if config._attn_implementation != "flex_attention":
        order = torch.arange(total, device=ends.device)
        seen = ancestor(0, 0, order[:, None], order[None, :])
        return masks(config, seen[None], position_ids, position_ids)
    rules = {FULL: ancestor, SLIDING: near_ancestor}
    found = {
        kind: create_block_mask(rules[kind], None, None, total, total, device=str(ends.device))
        for kind in sorted(attention_kinds(config))
    }
    return found if len(found) > 1 else next(iter(found.values()))


def masks(
    config: PretrainedConfig,
    seen: torch.Tensor,
    queries: torch.Tensor,
    keys: torch.Tensor,
    *,
    dtype: torch.dtype = torch.bool,
) -> torch.Tensor | dict[str, torch.Tensor]:
    """Return what a model takes as mask, (batch, 1, queries, keys), or one for each kind of attention.

    Args:
        seen: (batch, queries, keys), what each token sees where all layers look at everything.
        queries, keys: positions, (batch, queries) and (batch, keys); a sliding window counts them.
        dtype: bool, or that of what is added to scores, 0 or -inf, which spares each layer the making.
    """
    width, found = window(config), {}
    for kind in sorted(attention_kinds(config)):
        near = queries[:, :, None] - keys[:, None] < width if kind == SLIDING and width else True
        mask = (seen & near)[:, None]
        if dtype != torch.bool:
            mask = torch.zeros_like(mask, dtype=dtype).masked_fill_(~mask, -torch.inf)
        found[kind] = mask
    return found if len(found) > 1 else next(iter(found.values()))


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
