"""A base made from a GGUF file says what llama.cpp says of that file: tokens, probabilities, continuations.

llama.cpp reads the same file with code of its own, so what both say is in the file. Its numbers were written
once (``tests/reference/llama_cpp.py`` says how) with the weights in float32 on both sides: what is left
between them is the order of sums.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from reference.texts import MODELS, chats, digest, plain_texts, rendered

from cocktail.training.device import load_model, load_tokenizer

REFERENCE = Path(__file__).parents[1] / "reference"
WRITTEN = [name for name in MODELS if (REFERENCE / f"{name}.json").is_file()]

# Measured: 0.00003 nats and all positions for SmolLM2 and Qwen; 0.0008 and 99.97 % for Gemma, whose GELU
# llama.cpp looks up in 16 bits. Rotary positions of a base 10 % off are 0.015 away, weights in bfloat16 0.05.
CLOSE = 0.002  # nats: mean distance of log-probabilities
AGREED = 0.998  # share of positions with the same most probable token
UNSURE = 0.05  # nats: a token that was less ahead of the second may lose its place to rounding

# Texts that transformers splits otherwise than llama.cpp, by number, each with the reason.
_COMPOSED = "transformers composes letter and accent (NFC) as Qwen's own tokenizer does; llama.cpp does not"
EXPLAINED: dict[str, dict[int, str]] = {
    "gemma3_270m": {60: "llama.cpp takes </s> for a token that steers; for Gemma it is a tag of HTML"},
    "qwen25_coder_05b": {25: _COMPOSED, 78: _COMPOSED},
    "qwen25_coder_15b": {25: _COMPOSED, 78: _COMPOSED},
}


@dataclass(frozen=True)
class Converted:
    """A base of ours beside llama.cpp's numbers of the same file."""

    name: str
    folder: Path
    tokenizer: Any
    numbers: Any


@pytest.fixture(scope="module", params=WRITTEN)
def converted(request: pytest.FixtureRequest, real_base: Callable[[str], Path]) -> Converted:
    name = request.param
    folder = real_base(name)
    numbers = json.loads((REFERENCE / f"{name}.json").read_text(encoding="ascii"))
    return Converted(name, folder, load_tokenizer(folder), numbers)


@pytest.fixture(scope="module")
def model(converted: Converted) -> Iterator[Any]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads that wait for each other on a busy machine take five times as long
    yield load_model(converted.folder, bf16=False).eval()
    torch.set_num_threads(threads)


def test_the_texts_are_those_that_llama_cpp_was_given(converted: Converted) -> None:
    prompts = [rendered(chat, converted.name) for chat in chats()]
    assert digest([plain_texts(), prompts]) == converted.numbers["texts"], "write the numbers anew"


def test_texts_become_the_same_tokens(converted: Converted) -> None:
    """What looks like a special token is text here, for both."""
    ids = converted.tokenizer(plain_texts(), add_special_tokens=False, split_special_tokens=True)["input_ids"]
    kept = converted.numbers["tokens"]
    other = [number for number, one in enumerate(ids) if [len(one), digest(one)] != kept["digests"][number]]
    explained = EXPLAINED.get(converted.name, {})
    assert other == sorted(explained), [(n, ids[n], kept["ids"][n : n + 1]) for n in other][:3]


def test_rendered_prompts_become_the_same_tokens(converted: Converted) -> None:
    texts = [rendered(chat, converted.name) for chat in chats()]
    ids = converted.tokenizer(texts, add_special_tokens=False)["input_ids"]
    assert [[len(one), digest(one)] for one in ids] == converted.numbers["rendered"]["digests"]


def test_the_chat_template_writes_what_was_rendered_by_hand(converted: Converted) -> None:
    told = chats()
    texts = converted.tokenizer.apply_chat_template(told, tokenize=False, add_generation_prompt=True)
    assert texts == [rendered(chat, converted.name) for chat in told]


def test_next_tokens_are_as_probable(converted: Converted, model: Any) -> None:
    distance, agreed, count = compare_positions(model, converted.numbers["positions"])
    assert count >= 2000
    assert distance <= CLOSE and agreed >= AGREED, f"{distance:.5f} nats, {agreed:.4f} agreed"


def test_answers_are_written_alike(converted: Converted, model: Any) -> None:
    """The continuation is shown to the model, so a step where llama.cpp was unsure does not end the check."""
    other = list(compare_steps(model, converted.numbers["greedy"]))
    assert [(prompt, step, lead) for prompt, step, lead in other if lead >= UNSURE] == []


def compare_positions(model: Any, kept: Any) -> tuple[float, float, int]:
    """Return the mean distance of log-probabilities, the share of equal best tokens, how many positions."""
    distances: list[float] = []
    equal: list[bool] = []
    for ids, log_probs, best in zip(kept["ids"], kept["log_probs"], kept["best"], strict=True):
        scores = logits(model, ids)[:-1]
        found = scores.gather(1, torch.tensor(ids[1:])[:, None])[:, 0] - scores.logsumexp(1)
        distances += (found.double() - torch.tensor(log_probs, dtype=torch.float64)).abs().tolist()
        equal += (scores.argmax(1) == torch.tensor(best)).tolist()
    return sum(distances) / len(distances), sum(equal) / len(equal), len(equal)


def compare_steps(model: Any, kept: Any) -> Iterator[tuple[int, int, float]]:
    """Yield prompt, step and llama.cpp's lead wherever the model would write another token next."""
    rows = zip(kept["prompts"], kept["written"], kept["gaps"], strict=True)
    for row, (prompt, written, gaps) in enumerate(rows):
        best = logits(model, [*prompt, *written[:-1]])[len(prompt) - 1 :].argmax(1).tolist()
        for step, (ours, theirs, gap) in enumerate(zip(best, written, gaps, strict=True)):
            if ours != theirs:
                yield row, step, gap


@torch.inference_mode()
def logits(model: Any, ids: Sequence[int]) -> torch.Tensor:
    scores: torch.Tensor = model(torch.tensor([ids], device=model.device)).logits[0].float().cpu()
    return scores
