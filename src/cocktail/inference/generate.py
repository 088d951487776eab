"""Greedy generation: one pass for what prompts share, batches of like length that shrink as rows stop.

The loop is our own because at half a million parameters most of the time of ``generate`` is its set-up and
its checks per token; a test shows that both give the same tokens. Whatever a model's generation_config says
is not read: the ends and the limit are arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import DynamicCache, PreTrainedModel

from cocktail.inference.engine import Generated, Question
from cocktail.life import alive


@dataclass
class Batch:
    """Prompts that were read: scores of the next token (rows, vocabulary), mask, keys and values."""

    scores: torch.Tensor
    mask: torch.Tensor
    cache: DynamicCache


@dataclass(frozen=True)
class TorchEngine:
    """Our own loop.

    Attributes:
        ends: ids of the tokens that end an answer.
        pad: id of the token on the left of shorter prompts; masked, so it changes nothing.
        batch_size: rows of a batch.
        soft_prompt: (virtual tokens, hidden size), stands before every prompt.
    """

    model: PreTrainedModel
    ends: tuple[int, ...]
    pad: int
    batch_size: int
    soft_prompt: torch.Tensor | None = None

    def generate(self, questions: Sequence[Question]) -> list[Generated]:
        """Answer ``questions`` greedily; the result is in their order."""
        asked = list(enumerate(questions))
        asked.sort(key=lambda pair: (pair[1].limit, pair[1].group, len(pair[1].prompt), pair[0]))
        results: dict[int, Generated] = {}
        for start in range(0, len(asked), self.batch_size):
            chosen = asked[start : start + self.batch_size]
            answers = self._answer([question for _, question in chosen])
            results.update(zip((index for index, _ in chosen), answers, strict=True))
        return [results[index] for index in range(len(questions))]

    def choose(self, rows: Sequence[Sequence[int]], allowed: Sequence[Sequence[int]]) -> list[int]:
        """Return for each row of token ids the best next token among those allowed there."""
        order = sorted(range(len(rows)), key=lambda index: (len(rows[index]), index))
        best: dict[int, int] = {}
        for start in range(0, len(order), self.batch_size):
            chosen = order[start : start + self.batch_size]
            scores = self._read([rows[index] for index in chosen]).scores
            best.update({index: _best_of(scores[n], allowed[index]) for n, index in enumerate(chosen)})
        return [best[index] for index in range(len(rows))]

    @torch.inference_mode()
    def _answer(self, questions: Sequence[Question]) -> list[Generated]:
        """Answer one batch; ``alive`` maps its rows to questions."""
        batch = self._read([question.prompt for question in questions])
        first = [
            _best_of(batch.scores[row], question.first_tokens) if question.first_tokens else None
            for row, question in enumerate(questions)
        ]
        written: list[list[int]] = [[] for _ in questions]
        stopped = [False] * len(questions)
        alive = list(range(len(questions)))
        while alive:
            tokens = batch.scores.argmax(dim=-1)
            staying = []
            for row, (index, token) in enumerate(zip(alive, tokens.tolist(), strict=True)):
                if token in self.ends:
                    stopped[index] = True
                    continue
                written[index].append(token)
                if len(written[index]) < questions[index].limit:
                    staying.append(row)
            if not staying:
                break
            if len(staying) < len(alive):
                keep = torch.tensor(staying, device=tokens.device)
                batch.cache.batch_select_indices(keep)
                tokens, batch.mask = tokens[keep], batch.mask[keep]
                alive = [alive[row] for row in staying]
            self._step(batch, tokens[:, None], torch.ones_like(tokens[:, None]))
        return [Generated(tuple(w), s, f) for w, s, f in zip(written, stopped, first, strict=True)]

    @torch.inference_mode()
    def _read(self, prompts: Sequence[Sequence[int]]) -> Batch:
        """Read prompts: the learned prompt and the tokens that all share once, the rest row by row.

        One token at least is left to each row: its scores are those of the first token written.
        """
        rows = len(prompts)
        shared = min(_common_length(prompts), min(len(prompt) for prompt in prompts) - 1)
        batch = self._prefix(tuple(prompts[0][:shared]), rows=rows)
        width = max(len(prompt) for prompt in prompts) - shared
        rest = [prompt[shared:] for prompt in prompts]
        ids = [[self.pad] * (width - len(row)) + list(row) for row in rest]
        mask = [[0] * (width - len(row)) + [1] * len(row) for row in rest]
        device = self.model.device
        self._step(batch, torch.tensor(ids, device=device), torch.tensor(mask, device=device))
        return batch

    def _prefix(self, shared: tuple[int, ...], *, rows: int) -> Batch:
        """Read the learned prompt and ``shared`` in one row and repeat keys and values for all rows."""
        cache = DynamicCache(config=self.model.config)
        device = self.model.device
        embed = self.model.get_input_embeddings()
        given = embed(torch.tensor([shared], dtype=torch.long, device=device))
        if self.soft_prompt is not None:
            given = torch.cat([self.soft_prompt[None].to(given), given], dim=1)
        mask = torch.ones((rows, given.shape[1]), dtype=torch.long, device=device)
        if given.shape[1]:
            self.model(inputs_embeds=given, past_key_values=cache, use_cache=True, logits_to_keep=1)
            cache.batch_repeat_interleave(rows)
        return Batch(torch.empty(0), mask, cache)

    def _step(self, batch: Batch, ids: torch.Tensor, mask: torch.Tensor) -> None:
        """Read more tokens, (rows, new); positions count from each row's first real token."""
        alive()
        batch.mask = torch.cat([batch.mask, mask], dim=1)
        positions = (batch.mask.cumsum(dim=1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        output = self.model(
            input_ids=ids,
            attention_mask=batch.mask,
            position_ids=positions,
            past_key_values=batch.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        batch.scores = output.logits[:, -1].float()


def _common_length(prompts: Sequence[Sequence[int]]) -> int:
    """How many first tokens all prompts share: as many as the first and the last of them in order do."""
    first, last = min(map(tuple, prompts)), max(map(tuple, prompts))
    return next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))


def _best_of(scores: torch.Tensor, tokens: Sequence[int]) -> int:
    """The token with the highest score; the first one of equals."""
    return tokens[int(scores[list(tokens)].argmax())]
