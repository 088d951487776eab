"""Greedy generation equals ``generate``, and label decoding equals trying every label."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from peft import PromptTuningConfig, get_peft_model
from tiny_model import STOP, recipe, tiny_model
from transformers import GenerationConfig

from cocktail.errors import RunError
from cocktail.exam import ExamSheet, TaskSettings
from cocktail.inference.answer import answer_exam, prepare_exam
from cocktail.inference.engine import Generated, Question
from cocktail.inference.generate import TorchEngine
from cocktail.inference.labels import choose_labels, label_trie
from cocktail.prompts import Prompt
from cocktail.training.methods import ready_to_answer, without_rename_warnings

LABELS = {
    "Gold": "Gold",
    "Gold | Metals": "Gold | Metals",
    "Stock Commentary": "Stock Commentary",
    "Stock Movement": "Stock Movement",
    "Positive": "positive",
}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def generate(
    model: Any, questions: list[Question], *, stop: int, pad: int, batch_size: int
) -> list[Generated]:
    return TorchEngine(model, (stop,), pad, batch_size).generate(questions)


def random_prompts(tokenizer: Any, count: int, *, seed: int = 5) -> list[tuple[int, ...]]:
    rng = np.random.default_rng(seed)
    return [tuple(rng.integers(6, len(tokenizer), rng.integers(4, 30)).tolist()) for _ in range(count)]


def model_that_stops(tokenizer: Any) -> tuple[Any, int]:
    """A random model, and as its stop token one that it writes often but not at once."""
    model = tiny_model(tokenizer, spread=4.0)
    questions = [Question(prompt, 6) for prompt in random_prompts(tokenizer, 20)]
    written = generate(model, questions, stop=-1, pad=0, batch_size=20)
    third = [answer.ids[2] for answer in written]
    return model, max(sorted(set(third)), key=third.count)


def test_equals_generate_byte_for_byte(tokenizer: Any) -> None:
    model, stop = model_that_stops(tokenizer)
    prompts = random_prompts(tokenizer, 23)
    limits = [4 if n % 3 else 9 for n in range(23)]
    ours = generate(
        model,
        [Question(p, limit) for p, limit in zip(prompts, limits, strict=True)],
        stop=stop,
        pad=0,
        batch_size=4,
    )
    for prompt, limit, answer in zip(prompts, limits, ours, strict=True):
        settings = GenerationConfig(do_sample=False, max_new_tokens=limit, eos_token_id=stop, pad_token_id=0)
        ids = torch.tensor([prompt])
        theirs = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=settings)
        new = theirs[0, len(prompt) :].tolist()
        assert (*answer.ids, *([stop] if answer.stopped else [])) == tuple(new)
    assert {answer.stopped for answer in ours} == {True, False}
    assert len({answer.ids for answer in ours}) > 5


def test_batches_and_padding_change_nothing(tokenizer: Any) -> None:
    model, stop = model_that_stops(tokenizer)
    questions = [Question(prompt, 8) for prompt in random_prompts(tokenizer, 13)]
    alone = generate(model, questions, stop=stop, pad=0, batch_size=1)
    for size, pad in ((5, 0), (13, 7)):
        assert generate(model, questions, stop=stop, pad=pad, batch_size=size) == alone


def test_positions_count_from_the_first_real_token(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rotary positions forgive a shift, other models do not."""
    model, seen = tiny_model(tokenizer).eval(), []
    forward = model.forward

    def noted(**inputs: Any) -> Any:
        if "position_ids" in inputs:
            seen.append(inputs["position_ids"].tolist())
        return forward(**inputs)

    monkeypatch.setattr(model, "forward", noted)
    generate(model, [Question((7, 8, 9), 2), Question((7,), 2)], stop=-1, pad=0, batch_size=2)
    assert seen == [[[0, 0, 0], [0, 1, 2]], [[1], [3]]]
    del seen[:]
    generate(model, [Question((7, 8, 9), 2), Question((7, 6), 2)], stop=-1, pad=0, batch_size=2)
    assert seen == [[[0, 1], [1, 2]], [[2], [3]]]  # the shared 7 stands at 0 and is read once


def shared_prompts(tokenizer: Any) -> list[tuple[int, ...]]:
    """Prompts of two groups that begin alike; one is the whole prefix of the others, one is short."""
    prefixes = random_prompts(tokenizer, 2, seed=9)
    rest = random_prompts(tokenizer, 12, seed=10)
    rows = [prefixes[n % 2] + row for n, row in enumerate(rest)]
    return [*rows, prefixes[0], prefixes[0][:2]]


def test_a_shared_prefix_is_read_once_and_changes_nothing(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, stop = model_that_stops(tokenizer)
    prompts = shared_prompts(tokenizer)
    groups = [str(n % 2) for n in range(len(prompts))]
    questions = [Question(p, 6, (7, 8, 9), group) for p, group in zip(prompts, groups, strict=True)]
    alone = generate(model, questions, stop=stop, pad=0, batch_size=1)
    read = []
    forward = model.forward

    def noted(**inputs: Any) -> Any:
        given = inputs.get("inputs_embeds", inputs.get("input_ids"))
        read.append(given.shape[0] * given.shape[1])
        return forward(**inputs)

    monkeypatch.setattr(model, "forward", noted)
    for group in ("0", "1"):
        chosen = [n for n, name in enumerate(groups) if name == group and n < 12]
        del read[:]
        assert generate(model, [questions[n] for n in chosen], stop=stop, pad=0, batch_size=6) == [
            alone[n] for n in chosen
        ]
        prefix = len(random_prompts(tokenizer, 2, seed=9)[int(group)])
        longest = max(len(prompts[n]) for n in chosen) - prefix
        assert read[:2] == [prefix, len(chosen) * longest]
    assert generate(model, questions, stop=stop, pad=0, batch_size=5) == alone


def test_a_learned_prompt_is_what_peft_computes(tokenizer: Any) -> None:
    """The same scores from the learned prompt before each row as from peft's own forward pass."""
    config = PromptTuningConfig(
        task_type="CAUSAL_LM", num_virtual_tokens=3, prompt_tuning_init="SAMPLE_VOCAB"
    )
    with without_rename_warnings():
        tuned = get_peft_model(tiny_model(tokenizer, spread=4.0), config).eval()
    answering = ready_to_answer(tuned, recipe(method="prompt_tuning", virtual_tokens=3))
    engine = TorchEngine(answering.model, (), 0, 4, answering.soft_prompt)
    prompts = random_prompts(tokenizer, 9)
    answers = engine.generate([Question(prompt, 4) for prompt in prompts])
    without = TorchEngine(answering.model, (), 0, 4).generate([Question(prompt, 4) for prompt in prompts])
    assert [answer.ids for answer in answers] != [answer.ids for answer in without]
    best = engine.choose(prompts, [range(len(tokenizer))] * len(prompts))
    for prompt, answer, token in zip(prompts, answers, best, strict=True):
        written: list[int] = []
        for _ in range(4):
            with torch.no_grad():
                scores = tuned(input_ids=torch.tensor([[*prompt, *written]])).logits[0, -1]
            written.append(int(scores.argmax()))
        assert answer.ids == tuple(written)
        assert token == written[0]


def test_what_the_generation_config_says_is_not_read(tokenizer: Any) -> None:
    model, stop = model_that_stops(tokenizer)
    questions = [Question(prompt, 8) for prompt in random_prompts(tokenizer, 5)]
    before = generate(model, questions, stop=stop, pad=0, batch_size=5)
    model.generation_config.eos_token_id = [0, *range(6, len(tokenizer))]
    assert generate(model, questions, stop=stop, pad=0, batch_size=5) == before


def brute_force(model: Any, tokenizer: Any, prompt: str) -> str:
    """Greedy choice among the labels still possible, one whole forward pass per token."""
    start = len(tokenizer(prompt, add_special_tokens=False)["input_ids"])
    whole = {
        name: tokenizer(prompt + text + STOP, add_special_tokens=False)["input_ids"]
        for name, text in LABELS.items()
    }
    written = next(iter(whole.values()))[:start]
    while len(whole) > 1:
        allowed = sorted({ids[len(written)] for ids in whole.values()})
        with torch.no_grad():
            scores = model(torch.tensor([written])).logits[0, -1]
        best = allowed[int(scores[allowed].argmax())]
        written = [*written, best]
        whole = {name: ids for name, ids in whole.items() if ids[len(written) - 1] == best}
    return next(iter(whole))


def test_label_decoding_equals_brute_force(tokenizer: Any) -> None:
    rng = np.random.default_rng(1)
    words = ["gold", "stock", "shares", "rose", "fell", "metals", "topic", "mill", "12"]
    texts = [f"<|user|>{' '.join(rng.choice(words, 6))}<|end|><|assistant|>" for _ in range(40)]
    prompts = [tuple(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
    trie = label_trie(tokenizer, LABELS, prompt=Prompt(texts[0], prompts[0], cut=False), stop_token=STOP)
    chosen = set()
    for seed in range(4):
        model = tiny_model(tokenizer, seed=seed, spread=3.0).eval()
        questions = [Question(prompt, 1, tuple(trie)) for prompt in prompts]
        first = [answer.first_choice for answer in generate(model, questions, stop=5, pad=0, batch_size=8)]
        labels = choose_labels(
            TorchEngine(model, (5,), 0, 8), prompts, trie=trie, first_choices=[token or 0 for token in first]
        )
        assert labels == [brute_force(model, tokenizer, text) for text in texts]
        chosen |= set(labels)
    assert len(chosen) >= 4


def test_labels_that_are_written_alike_are_an_error(tokenizer: Any) -> None:
    prompt = Prompt("<|assistant|>", (tokenizer.convert_tokens_to_ids("<|assistant|>"),), cut=False)
    with pytest.raises(RunError):
        label_trie(tokenizer, {"up": "rose", "high": "rose"}, prompt=prompt, stop_token=STOP)


def sheet() -> ExamSheet:
    table = pd.DataFrame(
        {
            "item": ["tone:dev:0", "tone:test:0", "sum:test:0"],
            "task": ["tone", "tone", "sum"],
            "split": ["dev", "test", "test"],
            "cluster": ["a", "b", "c"],
            "instruction": ["What is the tone?", "What is the tone?", "Add 4 and 5."],
            "input": ["Orders fell.", " ".join(["Shares rose."] * 30), ""],
            "answer": ["negative", "positive", "4 + 5 = 9"],
        }
    )
    tasks = {
        "tone": TaskSettings(4, {"Positive": "positive", "Negative": "negative"}),
        "sum": TaskSettings(7, {}),
    }
    return ExamSheet(table, tasks)


def test_answers_are_one_row_per_item(tokenizer: Any) -> None:
    exam = prepare_exam(tokenizer, sheet(), max_prompt=40, stop_token=STOP)
    model, _ = model_that_stops(tokenizer)
    table = answer_exam(TorchEngine(model, (5,), 0, 2), tokenizer, exam)
    assert table["item"].tolist() == ["tone:dev:0", "tone:test:0", "sum:test:0"]
    assert table["cut"].tolist() == [False, True, False]
    assert [label in ("Positive", "Negative") for label in table["label_choice"]] == [False, True, False]
    assert table["num_tokens"].le([4, 4, 7]).all()
    assert table["prompt_hash"].nunique() == 3
    assert not table["answer"].str.contains("assistant").any()


def test_all_answers_empty_is_an_error(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    exam = prepare_exam(tokenizer, sheet(), max_prompt=40, stop_token=STOP)
    at_once = [Generated((), stopped=True, first_choice=None)] * 3
    monkeypatch.setattr(TorchEngine, "generate", lambda *_: at_once)
    with pytest.raises(RunError):
        answer_exam(TorchEngine(tiny_model(tokenizer), (5,), 0, 2), tokenizer, exam)
