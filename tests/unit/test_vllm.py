"""The vLLM engine answers as our own loop does (on a stand-in for vLLM), and says early what it cannot."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import fake_vllm
import pytest
import torch
from peft import LoraConfig, get_peft_model
from test_generate import evaluation_set, model_that_stops, random_prompts
from tiny_model import STOP, tiny_model

from cocktail.errors import RunError
from cocktail.inference.answer import answer_set, render_set
from cocktail.inference.engine import Generated, Question
from cocktail.inference.generate import TorchEngine
from cocktail.inference.vllm_engine import VllmEngine, check_vllm, needed_context, vllm_engine
from cocktail.training.methods import Answering, without_rename_warnings

CONTEXT = 64
SHOWN = 10  # of the rows that differ


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> type[fake_vllm.LLM]:
    """The stand-in installed, on a machine that says it has a GPU."""
    monkeypatch.setitem(sys.modules, "vllm", fake_vllm.fake_module())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    return fake_vllm.LLM


def mixed_questions(tokenizer: Any, count: int = 40) -> list[Question]:
    """Questions with several limits; two of three ask for a label, of one token or of three."""
    return [
        Question(
            prompt,
            1 + n % 7,
            {40 + n: "own", 7: {8: {9: "long", 90: "other"}}, 200: "two"} if n % 3 else None,
        )
        for n, prompt in enumerate(random_prompts(tokenizer, count))
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("vllm")
def test_answers_are_those_of_our_own_loop(tokenizer: Any, tmp_path: Path) -> None:
    model, stop = model_that_stops(tokenizer)
    questions = mixed_questions(tokenizer)
    ours = TorchEngine(model, (stop,), 4).generate(questions)
    with vllm_engine(Answering(model), tokenizer, ends=(stop,), context=CONTEXT, workdir=tmp_path) as engine:
        theirs = engine.generate(questions)
    assert theirs == ours
    assert {answer.stopped for answer in ours} == {True, False}
    # The stop token as the last one allowed counts as a stop; the limit counts it.
    assert any(a.stopped and len(a.ids) == q.limit - 1 for a, q in zip(ours, questions, strict=True))
    assert any(not a.stopped and len(a.ids) == q.limit for a, q in zip(ours, questions, strict=True))
    assert {answer.label for answer in ours} == {"", "own", "long", "other", "two"}


@pytest.mark.slow
@pytest.mark.usefixtures("vllm")
def test_any_of_several_tokens_ends_an_answer(tokenizer: Any, tmp_path: Path) -> None:
    model, stop = model_that_stops(tokenizer)
    questions = mixed_questions(tokenizer)
    (other, *_) = {
        answer.ids[1] for answer in TorchEngine(model, (), 4).generate(questions) if answer.ids[1:]
    }
    ours = TorchEngine(model, (other, stop), 4).generate(questions)
    with vllm_engine(
        Answering(model), tokenizer, ends=(other, stop), context=CONTEXT, workdir=tmp_path
    ) as engine:
        assert engine.generate(questions) == ours
    for end in (other, stop):
        assert TorchEngine(model, (end,), 4).generate(questions) != ours
    assert not {other, stop} & {token for answer in ours for token in answer.ids}


@pytest.mark.usefixtures("vllm")
def test_labels_are_those_of_our_own_loop(tokenizer: Any, tmp_path: Path) -> None:
    """The stop token, too, can be chosen: it ends a label that begins another one."""
    model, stop = model_that_stops(tokenizer)
    questions = [
        Question(prompt, 1, {10 + n: {stop: "short", 10 + n: "long"}, stop: "none"})
        for n, prompt in enumerate(random_prompts(tokenizer, 30))
    ]
    ours = TorchEngine(model, (stop,), 4).generate(questions)
    with vllm_engine(Answering(model), tokenizer, ends=(stop,), context=CONTEXT, workdir=tmp_path) as engine:
        assert engine.generate(questions) == ours
        assert engine.choose([], []) == []
        assert engine.generate([]) == []
    assert {answer.label for answer in ours} == {"short", "long", "none"}


@pytest.mark.slow
@pytest.mark.usefixtures("vllm")
def test_an_exam_ends_with_the_same_table(tokenizer: Any, tmp_path: Path) -> None:
    rendered = render_set(tokenizer, evaluation_set(), max_prompt=40, stop_token=STOP)
    model, stop = model_that_stops(tokenizer)
    ours = answer_set(TorchEngine(model, (stop,), 2), tokenizer, rendered)
    context = needed_context(rendered)
    with vllm_engine(Answering(model), tokenizer, ends=(stop,), context=context, workdir=tmp_path) as engine:
        assert answer_set(engine, tokenizer, rendered).equals(ours)
    with (
        vllm_engine(
            Answering(model), tokenizer, ends=(stop,), context=context - 1, workdir=tmp_path
        ) as engine,
        pytest.raises(RunError, match="do not fit"),
    ):
        answer_set(engine, tokenizer, rendered)


def test_a_label_longer_than_the_answers_makes_the_context_longer(tokenizer: Any) -> None:
    short = evaluation_set()
    short.tasks["tone"] = replace(short.tasks["tone"], max_new_tokens=1)
    short.tasks["sum"] = replace(short.tasks["sum"], max_new_tokens=1)
    rendered = render_set(tokenizer, short, max_prompt=40, stop_token=STOP)
    label = len(tokenizer("negative" + STOP, add_special_tokens=False)["input_ids"])
    assert label > 1
    assert needed_context(rendered) == max(len(prompt.ids) for prompt in rendered.prompts) + label


@pytest.mark.usefixtures("vllm")
def test_what_the_generation_config_says_is_not_read(tokenizer: Any, tmp_path: Path) -> None:
    model, stop = model_that_stops(tokenizer)
    questions = mixed_questions(tokenizer, 9)
    ours = TorchEngine(model, (stop,), 4).generate(questions)
    model.generation_config.eos_token_id = [0, *range(6, len(tokenizer))]
    with vllm_engine(Answering(model), tokenizer, ends=(stop,), context=CONTEXT, workdir=tmp_path) as engine:
        assert engine.generate(questions) == ours


def test_what_vllm_is_given_and_that_nothing_is_left(
    tokenizer: Any, tmp_path: Path, vllm: type[fake_vllm.LLM]
) -> None:
    answering = Answering(tiny_model(tokenizer).to(torch.bfloat16))
    with (
        pytest.raises(KeyboardInterrupt),
        vllm_engine(answering, tokenizer, ends=(5,), context=CONTEXT, workdir=tmp_path / "new"),
    ):
        (made,) = vllm.made
        assert made.folder.parent == tmp_path / "new"
        raise KeyboardInterrupt
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= made.files
    assert not any(name.endswith((".bin", ".pt")) for name in made.files)
    share = made.settings.pop("gpu_memory_utilization")
    assert 0.0 < share < 0.92  # vLLM's own default would leave nothing for this process
    assert made.settings == {
        "skip_tokenizer_init": True,
        "trust_remote_code": False,
        "dtype": "bfloat16",
        "max_model_len": CONTEXT,
        "load_format": "safetensors",
        "enable_prefix_caching": True,
        "generation_config": "vllm",
    }
    assert not made.llm_engine.engine_core.alive
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.usefixtures("vllm")
def test_a_model_that_cannot_be_loaded_is_a_clear_error(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("Engine core initialization failed.\nmore")

    monkeypatch.setattr(sys.modules["vllm"], "LLM", fail)
    answering = Answering(tiny_model(tokenizer))
    with (
        pytest.raises(RunError, match=r"\(Engine core initialization failed\.\)"),
        vllm_engine(answering, tokenizer, ends=(5,), context=CONTEXT, workdir=tmp_path),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("vllm")
def test_a_context_beyond_the_model_is_a_clear_error(tokenizer: Any, tmp_path: Path) -> None:
    model = tiny_model(tokenizer)
    context = model.config.max_position_embeddings + 1
    with (
        pytest.raises(RunError) as caught,
        vllm_engine(Answering(model), tokenizer, ends=(5,), context=context, workdir=tmp_path),
    ):
        pass
    assert caught.value.fix == "answer.max_prompt"


@pytest.mark.usefixtures("vllm")
def test_learned_prompts_and_adapters_are_refused(tokenizer: Any, tmp_path: Path) -> None:
    with without_rename_warnings():
        adapted = get_peft_model(tiny_model(tokenizer), LoraConfig(target_modules="all-linear"))
    for answering, method in (
        (Answering(tiny_model(tokenizer), torch.zeros(3, 32)), "prompt_tuning"),
        (Answering(adapted), "qlora"),
    ):
        with (
            pytest.raises(RunError, match=method) as caught,
            vllm_engine(answering, tokenizer, ends=(5,), context=CONTEXT, workdir=tmp_path),
        ):
            pass
        assert caught.value.fix == "answer.engine=builtin"
        with pytest.raises(RunError, match=method):
            check_vllm(method)


def test_what_the_machine_lacks_is_said_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(RunError, match="GPU"):
        check_vllm("full")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.delitem(sys.modules, "vllm", raising=False)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", sys.meta_path[-1:])
    with pytest.raises(RunError) as caught:
        check_vllm("full")
    assert ".[vllm]" in caught.value.fix
    monkeypatch.setitem(sys.modules, "vllm", fake_vllm.fake_module())
    check_vllm("full")
    check_vllm("lora")


@pytest.mark.usefixtures("vllm")
@pytest.mark.parametrize(("ids", "reason"), [([7, 8], "abort"), ([7, 8], "stop"), ([7, 5], "length")])
def test_an_answer_that_vllm_gave_up_is_an_error(ids: list[int], reason: str) -> None:
    class Broken:
        def generate(self, prompts: Any, params: Any, *, use_tqdm: bool) -> list[fake_vllm.RequestOutput]:
            return [fake_vllm.RequestOutput([fake_vllm.CompletionOutput(ids, reason)]) for _ in prompts]

    with pytest.raises(RunError, match=reason):
        VllmEngine(Broken(), ends=(5,), context=CONTEXT).generate([Question((7,), 2)])


@dataclass(frozen=True)
class EngineComparison:
    """How far two engines agree on the same questions.

    Attributes:
        num_rows: questions compared.
        num_equal: rows with the same ids and the same end.
        num_labels: rows for which both found a label.
        num_equal_labels: those of them with the same one.
        first_different: indexes of the first rows that differ in anything, ``SHOWN`` at most.
    """

    num_rows: int
    num_equal: int
    num_labels: int
    num_equal_labels: int
    first_different: tuple[int, ...]


def compare_engines(ours: Sequence[Generated], theirs: Sequence[Generated]) -> EngineComparison:
    """Count the equal answers of two engines to the same questions, given in the same order.

    Raises:
        ValueError: the two are not of one length.
    """
    pairs = list(zip(ours, theirs, strict=True))
    chosen = [(a, b) for a, b in pairs if a.label and b.label]
    different = [index for index, (a, b) in enumerate(pairs) if a != b]
    return EngineComparison(
        num_rows=len(pairs),
        num_equal=sum((a.ids, a.stopped) == (b.ids, b.stopped) for a, b in pairs),
        num_labels=len(chosen),
        num_equal_labels=sum(a.label == b.label for a, b in chosen),
        first_different=tuple(different[:SHOWN]),
    )


def test_engines_are_compared_row_by_row() -> None:
    ours = [
        Generated((1, 2), True, 4),
        Generated((1, 2), False, 4),
        Generated((1,), False, None),
        Generated((3,), True, 4),
    ]
    theirs = [
        Generated((1, 2), True, 4),
        Generated((1, 2), True, 4),
        Generated((1, 5), False, None),
        Generated((3,), True, 6),
    ]
    found = compare_engines(ours, theirs)
    assert (found.num_rows, found.num_equal) == (4, 2)
    assert (found.num_labels, found.num_equal_labels) == (3, 2)
    assert found.first_different == (1, 2, 3)
    many = compare_engines([ours[0]] * 40, [ours[0], *[theirs[2]] * 39])
    assert (many.num_equal, many.num_labels) == (1, 1)
    assert many.first_different == tuple(range(1, SHOWN + 1))
    with pytest.raises(ValueError, match="zip"):
        compare_engines(ours, theirs[:3])
