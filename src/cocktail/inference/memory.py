"""What a model has read: the keys and values of a tree of prompts, and of what each row wrote below it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from itertools import chain

import torch
from transformers import DynamicCache, PreTrainedModel

from cocktail.errors import RunError
from cocktail.life import alive
from cocktail.training.prefix import FULL, SLIDING, Tree, attention_kinds, masks


class Memory:
    """What a model has read: keys and values, and which token each row sees.

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
        self._model = model
        self._cache = DynamicCache()
        self.virtual = 0 if soft_prompt is None else len(soft_prompt)
        self.seen = torch.zeros(0, self.virtual, dtype=torch.bool, device=model.device)
        self.depths = torch.arange(self.virtual, device=model.device)
        if soft_prompt is not None:
            model(
                inputs_embeds=soft_prompt[None].to(model.dtype), past_key_values=self._cache, use_cache=True
            )

    def read(
        self, ids: Sequence[int], depths: Sequence[int], seen: torch.Tensor, last: Sequence[int]
    ) -> torch.Tensor:
        """Read tokens and return the scores after some of them, (len(last), vocabulary).

        Args:
            seen: (new tokens, tokens read before and new), what each new token sees.
            last: which of the new tokens.
        """
        alive()
        device = self._model.device
        new = torch.tensor(depths, device=device) + self.virtual
        self.depths = torch.cat([self.depths, new])
        output = self._model(
            input_ids=torch.tensor([ids], device=device),
            attention_mask=masks(self._model.config, seen, new, self.depths, dtype=self._model.dtype),
            position_ids=new[None],
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=torch.tensor(last, device=device),
        )
        scores: torch.Tensor = output.logits[0].float()
        return scores

    def plant(self, tree: Tree, known: int) -> torch.Tensor:
        """Read a tree of which the first ``known`` tokens were read; return the scores after each leaf."""
        ends = torch.tensor(tree.ends, device=self._model.device)
        order = torch.arange(len(ends), device=self._model.device)
        below = (order[:, None] >= order) & (order[:, None] < ends)
        everything = torch.ones(len(ends), self.virtual, dtype=torch.bool, device=below.device)
        seen = torch.cat([everything, below], dim=1)
        self.seen = seen[tree.leaves]
        leaves = [leaf - known for leaf in tree.leaves]
        return self.read(tree.input_ids[known:], tree.depths[known:], seen[known:], leaves)

    def extend(
        self,
        rows: Sequence[int],
        chains: Sequence[Sequence[int]],
        depths: Sequence[int],
        *,
        every: bool = False,
    ) -> torch.Tensor:
        """Read some more tokens of some rows; return the scores after the last one of each.

        Args:
            depths: position of the first new token of each row.
            every: return the scores after each new token.
        """
        device = self._model.device
        sizes = torch.tensor([len(one) for one in chains], device=device)
        owner = torch.repeat_interleave(torch.arange(len(rows), device=device), sizes)
        order = torch.arange(len(owner), device=device)
        own = (owner[:, None] == owner) & (order[:, None] >= order)
        seen = torch.cat([self.seen[torch.tensor(rows, device=device)][owner], own], dim=1)
        self.seen = torch.nn.functional.pad(self.seen, (0, len(owner)))
        self.seen[torch.tensor(rows, device=device), -len(owner) :] = (
            owner == torch.arange(len(rows), device=device)[:, None]
        )
        places = [depth + n for depth, one in zip(depths, chains, strict=True) for n in range(len(one))]
        last = [*range(len(owner))] if every else (sizes.cumsum(0) - 1).tolist()
        return self.read([*chain.from_iterable(chains)], places, seen, last)

    def fork(self, path: Sequence[int]) -> Memory:
        """Return a memory of the learned prompt and the tokens ``path`` of the tree; this one stays."""
        kept = [*range(self.virtual), *(token + self.virtual for token in path)]
        index = torch.tensor(kept, dtype=torch.long, device=self._model.device)
        new = copy(self)
        new._cache = _cache((keys[:, :, index], values[:, :, index]) for keys, values in self._layers())
        new.depths = self.depths[index]
        return new

    def _layers(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        return ((layer.keys, layer.values) for layer in self._cache.layers)


def joined(memories: Sequence[Memory]) -> Memory:
    """Return one memory of several: all their rows, in order, each seeing what it saw; they stay."""
    new = copy(memories[0])
    layers = zip(*(memory._layers() for memory in memories), strict=True)
    new._cache = _cache(
        (torch.cat([keys for keys, _ in one], dim=2), torch.cat([values for _, values in one], dim=2))
        for one in layers
    )
    new.depths = torch.cat([memory.depths for memory in memories])
    new.seen = torch.block_diag(*(memory.seen for memory in memories))  # type: ignore[no-untyped-call]
    return new


def _cache(layers: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> DynamicCache:
    cache = DynamicCache()
    for number, (keys, values) in enumerate(layers):
        cache.update(keys, values, number)
    return cache
