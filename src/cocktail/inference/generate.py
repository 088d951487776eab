"""Greedy generation: left padding, batches of like length, and a batch that shrinks as rows stop.

The loop is our own because at half a million parameters most of the time of ``generate`` is its set-up and
its checks per token; a test shows that both give the same tokens. Whatever a model's generation_config says
is not read: the stop token and the limit are arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import DynamicCache, PreTrainedModel


@dataclass(frozen=True)
class Question:
    """One prompt to answer.

    Attributes:
        prompt: token ids.
        limit: at most so many tokens are generated.
        first_tokens: if not empty, the best of these at the first step is noted (label decoding).
    """

    prompt: tuple[int, ...]
    limit: int
    first_tokens: tuple[int, ...] = ()


@dataclass(frozen=True)
class Generated:
    """What was generated: ids without the stop token, whether it came, and the best of ``first_tokens``."""

    ids: tuple[int, ...]
    stopped: bool
    first_choice: int | None


def generate(
    model: PreTrainedModel, questions: Sequence[Question], *, stop: int, pad: int, batch_size: int
) -> list[Generated]:
    """Answer ``questions`` greedily; the result is in their order.

    Args:
        stop: id of the token that ends an answer.
        pad: id of the token on the left of shorter prompts; masked, so it changes nothing.
        batch_size: rows of a batch.
    """
    order = sorted(range(len(questions)), key=lambda i: (questions[i].limit, len(questions[i].prompt), i))
    results: dict[int, Generated] = {}
    model.eval()
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        answers = _generate_batch(model, [questions[i] for i in chosen], stop=stop, pad=pad)
        results.update(zip(chosen, answers, strict=True))
    return [results[i] for i in range(len(questions))]


@torch.inference_mode()
def _generate_batch(
    model: PreTrainedModel, questions: Sequence[Question], *, stop: int, pad: int
) -> list[Generated]:
    """Answer one batch. Logits are (rows, vocabulary); ``alive`` maps rows of the batch to questions."""
    ids, mask = left_padded([question.prompt for question in questions], pad=pad, device=model.device)
    cache = DynamicCache(config=model.config)
    logits = _last_logits(model, ids, mask, cache)
    first = [_best_of(logits[row], question.first_tokens) for row, question in enumerate(questions)]
    written: list[list[int]] = [[] for _ in questions]
    stopped = [False] * len(questions)
    alive = list(range(len(questions)))
    while alive:
        tokens = logits.argmax(dim=-1)
        staying = []
        for row, (index, token) in enumerate(zip(alive, tokens.tolist(), strict=True)):
            if token == stop:
                stopped[index] = True
                continue
            written[index].append(token)
            if len(written[index]) < questions[index].limit:
                staying.append(row)
        if not staying:
            break
        if len(staying) < len(alive):
            keep = torch.tensor(staying, device=model.device)
            cache.batch_select_indices(keep)
            tokens, mask = tokens[keep], mask[keep]
            alive = [alive[row] for row in staying]
        mask = torch.cat([mask, mask.new_ones((len(alive), 1))], dim=1)
        logits = _last_logits(model, tokens[:, None], mask, cache)
    return [Generated(tuple(w), s, f) for w, s, f in zip(written, stopped, first, strict=True)]


def left_padded(
    prompts: Sequence[Sequence[int]], *, pad: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return token ids and attention mask, both (prompts, longest prompt)."""
    width = max(len(prompt) for prompt in prompts)
    ids = torch.tensor([[pad] * (width - len(p)) + list(p) for p in prompts], device=device)
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=device)
    return ids, mask


def _last_logits(
    model: PreTrainedModel, ids: torch.Tensor, mask: torch.Tensor, cache: DynamicCache
) -> torch.Tensor:
    """Scores of the next token, (rows, vocabulary); positions count from each row's first real token."""
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -ids.shape[1] :]
    output = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    scores: torch.Tensor = output.logits[:, -1].float()
    return scores


def _best_of(logits: torch.Tensor, tokens: Sequence[int]) -> int | None:
    """The token with the highest score; the first one of equals."""
    return tokens[int(logits[list(tokens)].argmax())] if tokens else None
