"""Greedy generation equals ``generate``, and label decoding equals trying every label."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from peft import PromptTuningConfig, get_peft_model
from test_prefix import MODELS
from tiny_model import STOP, recipe, tiny_model
from transformers import AutoModelForCausalLM, GenerationConfig

from cocktail.data.evaluation_set import EvaluationSet, TaskSettings
from cocktail.data.prompts import Prompt
from cocktail.errors import RunError
from cocktail.inference.answer import answer_set, render_set
from cocktail.inference.engine import Generated, Question, Walk, label_trie
from cocktail.inference.generate import TorchEngine
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
    model: Any, questions: list[Question], *, stop: int, batch_size: int, tokens: int = 100
) -> list[Generated]:
    return TorchEngine(model, (stop,), batch_size, tree_tokens=tokens).generate(questions)


def random_prompts(tokenizer: Any, count: int, *, seed: int = 5) -> list[tuple[int, ...]]:
    rng = np.random.default_rng(seed)
    return [tuple(rng.integers(6, len(tokenizer), rng.integers(4, 30)).tolist()) for _ in range(count)]


def model_that_stops(tokenizer: Any) -> tuple[Any, int]:
    """A random model, and as its stop token one that it writes often but not at once."""
    model = tiny_model(tokenizer, spread=4.0)
    questions = [Question(prompt, 6) for prompt in random_prompts(tokenizer, 20)]
    written = generate(model, questions, stop=-1, batch_size=20)
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


@pytest.mark.slow
@pytest.mark.parametrize("tokens", [1, 20, 60, 1000])
def test_batches_change_nothing(tokenizer: Any, tokens: int) -> None:
    """What a batch keeps for the next one, and how many tokens are read at once."""
    model, stop = model_that_stops(tokenizer)
    prompts = [*random_prompts(tokenizer, 13), *shared_prompts(tokenizer)]
    trie = {7: {8: "a", 9: {5: "b", 6: "c"}}, 11: "d", 12: {13: {14: "e"}}}
    questions = [Question(prompt, 8, trie) for prompt in prompts]
    alone = [generate(model, [question], stop=stop, batch_size=1)[0] for question in questions]
    assert len({answer.label for answer in alone}) > 3
    for size in (1, 5, 40):
        assert generate(model, questions, stop=stop, batch_size=size, tokens=tokens) == alone


@pytest.mark.parametrize(("batch_size", "most", "batches"), [(12, 9999, 1), (4, 9999, 3), (12, 120, 4)])
def test_rows_of_several_trees_write_together(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch, batch_size: int, most: int, batches: int
) -> None:
    """Twelve prompts of 30 tokens, one a tree; each batch takes as many steps as its longest answer."""
    monkeypatch.setattr("cocktail.inference.generate.WRITTEN_TOKENS", most)
    model = tiny_model(tokenizer)
    rng = np.random.default_rng(4)
    prompts = [tuple(rng.integers(6, len(tokenizer), 30).tolist()) for _ in range(12)]
    read = list[tuple[int, int]]()
    model.register_forward_pre_hook(
        lambda _, __, given: read.append(tuple(given["input_ids"].shape)), with_kwargs=True
    )
    generate(model, [Question(prompt, 5) for prompt in prompts], stop=-1, batch_size=batch_size, tokens=30)
    assert len([rows for rows, width in read if width > 1]) == 12
    assert [rows for rows, width in read if width == 1] == [12 // batches] * 4 * batches


@pytest.mark.parametrize("name", MODELS)
def test_every_kind_of_attention_gets_its_mask(name: str) -> None:
    """Prompts longer than the window, answers of ``generate``; labels by whole passes."""
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_config(MODELS[name], attn_implementation="sdpa").eval()
    for parameter in model.parameters():
        parameter.data *= 3.0
    rng = np.random.default_rng(2)
    prompts = [(5, 6, 7, 8, 9, 10, *rng.integers(11, 60, rng.integers(1, 12)).tolist()) for _ in range(12)]
    trie = {20: {21: "a", 22: "b"}, 30: {31: {32: "c", 33: "d"}}, 40: "e"}
    ours = generate(model, [Question(p, 6, trie) for p in prompts], stop=-1, batch_size=5, tokens=40)
    for prompt, answer in zip(prompts, ours, strict=True):
        ids = torch.tensor([prompt])
        settings = GenerationConfig(do_sample=False, max_new_tokens=6, eos_token_id=-1, pad_token_id=0)
        theirs = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=settings)
        assert answer.ids == tuple(theirs[0, len(prompt) :].tolist())
        walk = Walk(trie)
        while walk.choices:
            with torch.no_grad():
                scores = model(torch.tensor([[*prompt, *walk.path]])).logits[0, -1]
            walk.take(walk.choices[int(scores[walk.choices].argmax())])
        assert answer.label == walk.label


def test_layers_that_cannot_read_prompts_together_are_refused(tokenizer: Any) -> None:
    model = tiny_model(tokenizer)
    model.config.layer_types = ["linear_attention", "full_attention"]
    with pytest.raises(RunError, match="linear_attention"):
        generate(model, [Question((7, 8), 2)], stop=-1, batch_size=1)


def shared_prompts(tokenizer: Any) -> list[tuple[int, ...]]:
    """Prompts of two groups that begin alike; one is the whole prefix of the others, one is short."""
    prefixes = random_prompts(tokenizer, 2, seed=9)
    rest = random_prompts(tokenizer, 12, seed=10)
    rows = [prefixes[n % 2] + row for n, row in enumerate(rest)]
    return [*rows, prefixes[0], prefixes[0][:2]]


@pytest.mark.parametrize("tokens", [1000, 30])
def test_a_shared_prefix_is_read_once_over_all_batches(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch, tokens: int
) -> None:
    model = tiny_model(tokenizer, spread=4.0)
    prompts = sorted(set(shared_prompts(tokenizer)))
    read = 0
    forward = model.forward

    def noted(**inputs: Any) -> Any:
        nonlocal read
        read += inputs["input_ids"].numel()
        return forward(**inputs)

    monkeypatch.setattr(model, "forward", noted)
    generate(model, [Question(p, 1) for p in prompts], stop=-1, batch_size=4, tokens=tokens)
    beginnings = {prompt[:length] for prompt in prompts for length in range(1, len(prompt))}
    assert read <= len(beginnings) + 2 * len(prompts)  # the last two tokens of a prompt are its own
    assert read < sum(map(len, prompts)) - 50


def test_a_learned_prompt_is_what_peft_computes(tokenizer: Any) -> None:
    """The same scores from the learned prompt before each row as from peft's own forward pass."""
    config = PromptTuningConfig(
        task_type="CAUSAL_LM", num_virtual_tokens=3, prompt_tuning_init="SAMPLE_VOCAB"
    )
    with without_rename_warnings():
        tuned = get_peft_model(tiny_model(tokenizer, spread=4.0), config).eval()
    answering = ready_to_answer(tuned, recipe(method="prompt_tuning", virtual_tokens=3))
    engine = TorchEngine(answering.model, (), 4, answering.soft_prompt)
    prompts = random_prompts(tokenizer, 9)
    answers = engine.generate([Question(prompt, 4) for prompt in prompts])
    without = TorchEngine(answering.model, (), 4).generate([Question(prompt, 4) for prompt in prompts])
    assert [answer.ids for answer in answers] != [answer.ids for answer in without]
    for prompt, answer in zip(prompts, answers, strict=True):
        written: list[int] = []
        for _ in range(4):
            with torch.no_grad():
                scores = tuned(input_ids=torch.tensor([[*prompt, *written]])).logits[0, -1]
            written.append(int(scores.argmax()))
        assert answer.ids == tuple(written)


def test_what_the_generation_config_says_is_not_read(tokenizer: Any) -> None:
    model, stop = model_that_stops(tokenizer)
    questions = [Question(prompt, 8) for prompt in random_prompts(tokenizer, 5)]
    before = generate(model, questions, stop=stop, batch_size=5)
    model.generation_config.eos_token_id = [0, *range(6, len(tokenizer))]
    assert generate(model, questions, stop=stop, batch_size=5) == before


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
        questions = [Question(prompt, 1 + seed, trie) for prompt in prompts]
        labels = [answer.label for answer in generate(model, questions, stop=5, batch_size=8)]
        assert labels == [brute_force(model, tokenizer, text) for text in texts]
        chosen |= set(labels)
    assert len(chosen) >= 4


def test_labels_that_are_written_alike_are_an_error(tokenizer: Any) -> None:
    prompt = Prompt("<|assistant|>", (tokenizer.convert_tokens_to_ids("<|assistant|>"),), cut=False)
    with pytest.raises(RunError):
        label_trie(tokenizer, {"up": "rose", "high": "rose"}, prompt=prompt, stop_token=STOP)


def every_token_sees_one(model: Any, _: Any, given: dict[str, Any]) -> None:
    """What sees nothing is no number on some devices, padding included."""
    masks = given.get("attention_mask")
    for mask in masks.values() if isinstance(masks, dict) else [] if masks is None else [masks]:
        assert torch.isfinite(mask).any(dim=-1).all()


@pytest.mark.parametrize("tokens", [1000, 25])
@pytest.mark.parametrize("name", MODELS)
def test_a_reference_is_as_likely_as_in_its_row_alone(name: str, tokens: int) -> None:
    """Beside free answers and labels, whatever shares a batch, and where a window slides."""
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_config(MODELS[name], attn_implementation="sdpa").eval()
    for parameter in model.parameters():
        parameter.data *= 3.0
    rng = np.random.default_rng(3)
    prompts = [tuple(rng.integers(6, 60, size).tolist()) for size in (12, 3, 25, 9, 14)]
    prompts += [prompts[0][:8] + prompts[1], prompts[0]]
    references = [
        tuple(rng.integers(6, 60, size).tolist()) for size in (9, 1, 0, 30, 2, 6, 1)
    ]  # one over the window
    trie = {7: {8: "a", 9: {5: "b"}}, 10: "c"}
    questions = [
        Question(prompt, 5, trie if n % 2 else None, reference)
        for n, (prompt, reference) in enumerate(zip(prompts, references, strict=True))
    ]
    model.register_forward_pre_hook(every_token_sees_one, with_kwargs=True)
    found = generate(model, questions, stop=5, batch_size=4, tokens=tokens)
    asked_less = generate(model, [replace(q, reference=()) for q in questions], stop=5, batch_size=4)
    assert [replace(one, reference_logprob=math.nan) for one in found] == asked_less
    for question, answer in zip(questions, found, strict=True):
        if not question.reference:
            assert math.isnan(answer.reference_logprob)
            continue
        row = torch.tensor([[*question.prompt, *question.reference]])
        scored = model(row).logits[0, len(question.prompt) - 1 : -1].log_softmax(dim=-1)
        alone = scored.gather(1, row[0, len(question.prompt) :, None]).mean().detach()
        assert answer.reference_logprob == pytest.approx(alone.item(), abs=1e-5)


def test_references_are_asked_of_what_is_not_trained_on(tokenizer: Any) -> None:
    table = pd.DataFrame(
        {
            "item": ["gsm8k:dev:0", "gsm8k:test:0", "fpb:test:0", "gsm8k:test:1"],
            "task": ["gsm8k", "gsm8k", "fpb", "gsm8k"],
            "split": ["dev", "test", "test", "test"],
            "cluster": ["a", "b", "c", "d"],
            "instruction": "Add.",
            "input": ["1 and 2", "3 and 4", "Orders fell.", "5 and 6"],
            "answer": ["3", "3 + 4 = 7", "negative", " ".join(["5 + 6 = 11"] * 9)],
        }
    )
    asked = EvaluationSet(table, {"gsm8k": TaskSettings(20, {}), "fpb": TaskSettings(4, {})})
    rendered = render_set(tokenizer, asked, max_prompt=40, stop_token=STOP)
    assert tokenizer.decode(rendered.references[1]) == "3 + 4 = 7"
    assert [len(one) for one in rendered.references] == [0, len(rendered.references[1]), 0, 20]
    other = EvaluationSet(table.assign(answer=table["answer"].replace("3 + 4 = 7", "7")), asked.tasks)
    gold = EvaluationSet(table.assign(answer=table["answer"].replace("negative", "positive")), asked.tasks)
    assert other.digest() != asked.digest() == gold.digest()


def evaluation_set() -> EvaluationSet:
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
    return EvaluationSet(table, tasks)


def test_answers_are_one_row_per_item(tokenizer: Any) -> None:
    rendered = render_set(tokenizer, evaluation_set(), max_prompt=40, stop_token=STOP)
    model, _ = model_that_stops(tokenizer)
    table = answer_set(TorchEngine(model, (5,), 2), tokenizer, rendered)
    assert table["item"].tolist() == ["tone:dev:0", "tone:test:0", "sum:test:0"]
    assert table["cut"].tolist() == [False, True, False]
    assert [label in ("Positive", "Negative") for label in table["label_choice"]] == [False, True, False]
    assert table["num_tokens"].le([4, 4, 7]).all()
    assert table["prompt_hash"].nunique() == 3
    assert not table["answer"].str.contains("assistant").any()
