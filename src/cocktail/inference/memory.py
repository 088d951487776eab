"""What a model has read: keys and values, of prompts as a tree, and of rows that write on, each for itself.

Prompts share what they begin with, so reading a tree of them is cheap; what rows write is shared by none, and
a token of a tree is held against those of all rows, so rows are laid out one by one before they write.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from typing import Any

import torch
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from cocktail.errors import RunError
from cocktail.life import alive
from cocktail.training.prefix import FULL, SLIDING, Tree, attention_kinds, masks


class Memory:
    """A tree of prompts as a model has read it.

    Attributes:
        virtual: tokens of the learned prompt, which stand first.
        seen: (rows, tokens read), whether a row sees a token.
        depths: the position of each token read.
    """

    def __init__(self, model: PreTrainedModel, soft_prompt: torch.Tensor | None) -> None:
        unknown = attention_kinds(model.config) - {FULL, SLIDING}
        if unknown:
            raise RunError(
                f"prompts cannot be read together by layers of kind {', '.join(sorted(unknown))}",
                fix="answer.engine=vllm",
            )
        self.model = model
        self.cache = DynamicCache()
        self.virtual = 0 if soft_prompt is None else len(soft_prompt)
        self.seen = torch.zeros(0, self.virtual, dtype=torch.bool, device=model.device)
        self.depths = torch.arange(self.virtual, device=model.device)
        if soft_prompt is not None:
            model(inputs_embeds=soft_prompt[None].to(model.dtype), past_key_values=self.cache, use_cache=True)

    def plant(self, tree: Tree, known: int) -> torch.Tensor:
        """Read a tree of which the first ``known`` tokens were read; return the scores after each leaf."""
        ends = torch.tensor(tree.ends, device=self.model.device)
        order = torch.arange(len(ends), device=self.model.device)
        below = (order[:, None] >= order) & (order[:, None] < ends)
        everything = torch.ones(len(ends), self.virtual, dtype=torch.bool, device=below.device)
        seen = torch.cat([everything, below], dim=1)
        self.seen = seen[tree.leaves]
        new = torch.tensor(tree.depths[known:], device=self.model.device) + self.virtual
        self.depths = torch.cat([self.depths, new])
        return _read(
            self.model,
            self.cache,
            torch.tensor([tree.input_ids[known:]], device=self.model.device),
            seen=seen[None, known:],
            queries=new[None],
            keys=self.depths[None],
            keep=torch.tensor([leaf - known for leaf in tree.leaves], device=self.model.device),
        )[0]

    def fork(self, path: Sequence[int]) -> Memory:
        """Return a memory of the learned prompt and the tokens ``path`` of the tree; this one stays."""
        kept = [*range(self.virtual), *(token + self.virtual for token in path)]
        index = torch.tensor(kept, dtype=torch.long, device=self.model.device)
        new = copy(self)
        new.cache = DynamicCache()
        new.cache.layers = [_laid_out([(layer, index[None])], room=0) for layer in self.cache.layers]
        new.depths = self.depths[index]
        return new

    def of(self, rows: Sequence[int]) -> Memory:
        """Return a memory of some rows only."""
        new = copy(self)
        new.seen = self.seen[list(rows)]
        return new


class Rows:
    """Rows that write on, or are read on, each for itself.

    Shorter rows are padded on the left, and new tokens of a step on the right: nobody sees the padding.

    Args:
        memories: what the rows have read, in their order; they stay as they are.
        room: new tokens of a row for which there is room; more are taken, but all is copied for them.
    """

    def __init__(self, memories: Sequence[Memory], room: int) -> None:
        self._model = memories[0].model
        self._places = torch.cat([memory.seen.sum(dim=1) for memory in memories])
        longest = int(self._places.max())
        self._seen = torch.arange(longest, device=self._places.device) >= longest - self._places[:, None]
        indices = []  # of each memory: (rows, longest), which of its tokens stands where
        for memory in memories:
            index = torch.zeros(len(memory.seen), longest, dtype=torch.long, device=self._places.device)
            for row, seen in enumerate(memory.seen):
                tokens = seen.nonzero()[:, 0]
                index[row, longest - len(tokens) :] = tokens
            indices.append(index)
        self._depths = torch.cat(
            [memory.depths[index] for memory, index in zip(memories, indices, strict=True)]
        )
        self._cache = DynamicCache()
        for layers in zip(*(memory.cache.layers for memory in memories), strict=True):
            self._cache.layers.append(_laid_out(zip(layers, indices, strict=True), room=room))

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with some of the rows, in this order."""
        if list(rows) == list(range(len(self._places))):
            return
        index = torch.tensor(rows, dtype=torch.long, device=self._places.device)
        self._places, self._seen, self._depths = self._places[index], self._seen[index], self._depths[index]
        for layer in self._cache.layers:
            layer.reorder_cache(index)

    def extend(self, chains: Sequence[Sequence[int]], *, every: bool = False) -> torch.Tensor:
        """Read more tokens of each row; return the scores after the last one of each, (rows, vocabulary).

        Args:
            chains: the new tokens, of each row at least one; with ``every`` there may be none.
            every: return the scores after each new token, row by row, (new tokens, vocabulary).
        """
        device = self._places.device
        sizes = torch.tensor([len(chain) for chain in chains], device=device)
        width = int(sizes.max())
        order = torch.arange(width, device=device)
        new = order < sizes[:, None]
        ids = torch.tensor([[*chain, *[0] * (width - len(chain))] for chain in chains], device=device)
        queries = self._places[:, None] + order
        before = self._seen[:, None].expand(-1, width, -1)
        # padding sees itself: on some devices a token that sees nothing, as behind a window, is no number
        own = (order[:, None] >= order) & new[:, None] | (order[:, None] == order)
        self._seen, self._depths = torch.cat([self._seen, new], 1), torch.cat([self._depths, queries], 1)
        scores = _read(
            self._model,
            self._cache,
            ids,
            seen=torch.cat([before, own], dim=2),
            queries=queries,
            keys=self._depths,
            keep=0 if width > 1 else 1,
        )
        self._places = self._places + sizes
        if every:
            return scores[new]
        return scores[torch.arange(len(sizes), device=device), sizes - 1]


class _Layer(DynamicLayer):  # type: ignore[misc]  # transformers is untyped for mypy here
    """Keys and values with room for more, which are written behind them; without room all are copied."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, size: int) -> None:
        super().__init__()
        self.lazy_initialization(keys, values)
        self._show(keys, values, size)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        size = self.keys.shape[2]
        end = size + key_states.shape[2]
        if end <= self._room[0].shape[2]:
            self._room[0][:, :, size:end], self._room[1][:, :, size:end] = key_states, value_states
            self._show(*self._room, end)
        else:
            keys, values = torch.cat([self.keys, key_states], 2), torch.cat([self.values, value_states], 2)
            self._show(keys, values, end)
        return self.keys, self.values

    def reorder_cache(self, beam_idx: torch.Tensor) -> None:
        self._show(self._room[0][beam_idx], self._room[1][beam_idx], self.keys.shape[2])

    def _show(self, keys: torch.Tensor, values: torch.Tensor, size: int) -> None:
        self._room = keys, values
        self.keys, self.values = keys[:, :, :size], values[:, :, :size]


def _laid_out(parts: Iterable[tuple[DynamicLayer, torch.Tensor]], *, room: int) -> DynamicLayer:
    """Return a layer with tokens of one or more layers, which are (1, heads, tokens, size) each.

    Args:
        parts: layers, and which of their tokens stand where in each row, (rows, places).
    """
    layers, indices = zip(*parts, strict=True)
    if layers[0].keys is None:  # a layer that takes keys and values from another one
        return DynamicLayer()
    rows, places = sum(map(len, indices)), indices[0].shape[1]
    found = []
    for tensors in ([layer.keys for layer in layers], [layer.values for layer in layers]):
        _, heads, _, size = tensors[0].shape
        whole = tensors[0].new_empty(rows, heads, places + room, size)
        for tensor, index, part in zip(tensors, indices, whole.split([*map(len, indices)]), strict=True):
            part[:, :, :places] = tensor[0][:, index].transpose(0, 1)
        found.append(whole)
    return _Layer(found[0], found[1], places)


def _read(
    model: PreTrainedModel,
    cache: DynamicCache,
    ids: torch.Tensor,
    *,
    seen: torch.Tensor,
    queries: torch.Tensor,
    keys: torch.Tensor,
    keep: torch.Tensor | int,
) -> torch.Tensor:
    """Read tokens, (batch, new tokens), and return scores, (batch, kept, vocabulary).

    Args:
        seen: (batch, new tokens, tokens read before and new), what each new token sees.
        queries, keys: positions of the new tokens, and of all.
        keep: after which of the new tokens scores are wanted, or after how many last ones; 0: after all.
    """
    alive()
    output = model(
        input_ids=ids,
        attention_mask=masks(model.config, seen, queries, keys, dtype=model.dtype),
        position_ids=queries,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=keep,
    )
    scores: torch.Tensor = output.logits.float()
    return scores
