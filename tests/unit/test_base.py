"""Base models from scratch: the same bytes each time, and what they read.

Shipped ones are taken if of the recipe, refused where a file was changed, made anew by command.
"""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tiny_model import ITEMS, MODEL, STOP, TEXTS, tiny_model, tiny_tokenizer

from cocktail.config import ModelConfig
from cocktail.data.prompts import render_prompts
from cocktail.errors import RunError, SourceError
from cocktail.files.records import digest_file, read_json
from cocktail.files.store import Store, write_runtime
from cocktail.runs.plan import check_base
from cocktail.training.base import build_base, write_base_receipt
from cocktail.training.bases import scratch
from cocktail.training.bases.scratch import (
    WEIGHTS,
    copy_base,
    instruction_items,
    read_texts,
    ship_base,
    shipped_base,
)
from cocktail.training.bases.tokens import token_id
from cocktail.training.checkpoints import Checkpoints
from cocktail.training.device import load_model, load_tokenizer
from cocktail.training.keys import base_identity
from cocktail.training.pretrain import (
    OrderedTrainer,
    copy_probe,
    pretrain_on,
    repeated_lists,
    token_stream,
)
from cocktail.training.tokenizer import DOCUMENT_END

NUM_ROWS = 8


def build(out: Path, **changes: Any) -> Path:
    out.mkdir()
    rows = [
        {"instruction": i.instruction, "input": i.input, "answer": i.answer} for i in (ITEMS * 2)[:NUM_ROWS]
    ]
    config = MODEL.model_copy(update=changes)
    build_base(
        config,
        documents=TEXTS,
        instructions=instruction_items(rows),
        out=out,
        checkpoints=Checkpoints(out.with_suffix(".work"), math.inf),
    )
    return out


@pytest.mark.slow
def test_two_bases_are_the_same_bytes_and_can_be_used(tmp_path: Path) -> None:
    first, second = build(tmp_path / "first"), build(tmp_path / "second")
    assert {f.name: f.read_bytes() for f in first.iterdir()} == {
        f.name: f.read_bytes() for f in second.iterdir()
    }
    assert check_base(first) == check_base(second)
    receipt = read_json(first / "base.json")
    assert receipt["instruction"]["steps"] == 1
    assert receipt["pretraining"]["tokens"] == receipt["pretraining"]["steps"] * 4 * 32 <= 1500
    assert set(receipt["files"]) >= {
        "model.safetensors",
        "config.json",
        "tokenizer.json",
        "chat_template.jinja",
    }
    model, tokenizer = load_model(first, bf16=False), load_tokenizer(first)
    assert model.dtype == torch.float32
    assert model.config.model_type == "phi3"
    assert model.config.eos_token_id == token_id(tokenizer, STOP) != model.config.pad_token_id
    ours = tiny_tokenizer()
    assert render_prompts(tokenizer, ITEMS, max_length=99) == render_prompts(ours, ITEMS, max_length=99)


def test_documents_end_with_their_mark(tokenizer: Any) -> None:
    end = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS[:2]]
    assert token_stream(tokenizer, TEXTS[:2]).tolist() == [*ids[0], end, *ids[1], end]


def test_a_base_reads_as_many_instructions_as_it_is_to() -> None:
    assert MODEL.pretrain
    texts = read_texts(MODEL)
    assert len(texts["instructions"]) == MODEL.pretrain.instruction_rows
    assert texts["documents"]


@pytest.mark.slow
def test_llama_has_its_own_architecture(tmp_path: Path) -> None:
    model = load_model(build(tmp_path / "llama", architecture="llama"), bf16=True)
    assert (model.config.model_type, model.dtype) == ("llama", torch.bfloat16)


def test_too_little_text_is_an_error(tokenizer: Any, tmp_path: Path) -> None:
    assert MODEL.pretrain
    with pytest.raises(RunError):
        pretrain_on(
            tiny_model(tokenizer),
            tokenizer,
            ["One line."],
            config=MODEL.pretrain,
            checkpoints=Checkpoints(tmp_path, math.inf),
        )


@pytest.mark.slow
def test_pretraining_lowers_the_loss_and_sees_the_tokens_asked_for(tokenizer: Any, tmp_path: Path) -> None:
    assert MODEL.pretrain
    config = MODEL.pretrain.model_copy(update={"text_tokens": 4 * 32 * 100})
    seen = pretrain_on(
        tiny_model(tokenizer),
        tokenizer,
        TEXTS * 60,
        config=config,
        checkpoints=Checkpoints(tmp_path, math.inf),
    )
    assert (seen.steps, seen.tokens) == (100, 12800)
    assert [step for step, _ in seen.loss] == [1, 100]
    assert seen.loss[0][1] == pytest.approx(np.log(len(tokenizer)), abs=0.2)
    assert seen.loss[1][1] < seen.loss[0][1] - 1


def test_repeated_lists_are_short_and_said_over_and_over(tokenizer: Any) -> None:
    blocks = repeated_lists(tokenizer, 30, 64, rng=np.random.default_rng(3))
    assert blocks.shape == (30, 64)
    assert not set(blocks.ravel().tolist()) & set(tokenizer.all_special_ids)
    tokens = blocks.ravel().tolist()
    told_before = [token in tokens[max(0, place - 8) : place] for place, token in enumerate(tokens)]
    assert 0.6 < np.mean(told_before) < 0.85  # lists are said 2 to 7 times: on the mean 1 - 1 / 3.8


def test_repeated_lists_come_first_and_then_in_one_block_of_twelve(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for the model tells what it is shown: a list that is said again has few tokens a block."""
    assert MODEL.pretrain
    sizes = {"text_tokens": 4 * 32 * 48, "repeat_tokens": 4 * 32 * 5}
    config = MODEL.pretrain.model_copy(update=sizes)
    shown: list[list[int]] = []
    step = OrderedTrainer.training_step

    def noted(self: Any, model: Any, inputs: dict[str, Any], *given: Any) -> Any:
        shown.extend(inputs["input_ids"].tolist())
        return step(self, model, inputs, *given)

    monkeypatch.setattr(OrderedTrainer, "training_step", noted)
    texts = [f"{text} {number}." for number, text in enumerate(TEXTS * 40)]
    seen = pretrain_on(
        tiny_model(tokenizer), tokenizer, texts, config=config, checkpoints=Checkpoints(tmp_path, math.inf)
    )
    assert (seen.steps, len(shown)) == (53, 212)
    end = tokenizer.convert_tokens_to_ids(DOCUMENT_END)
    of_lists = [end not in block for block in shown]
    assert all(of_lists[:20])
    assert all(of_lists[20::12])
    assert np.mean(of_lists[21:]) < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("repeats", [0, 4 * 32 * 20])
def test_a_killed_pretraining_ends_with_the_same_bytes(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repeats: int
) -> None:
    class KilledError(Exception):
        """Stands for the end of the process."""

    def end_at_150(self: Any, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == 150:
            raise KilledError

    assert MODEL.pretrain
    config = MODEL.pretrain.model_copy(
        update={"text_tokens": 4 * 32 * 201 - repeats, "repeat_tokens": repeats}
    )

    def pretrained(checkpoints: Checkpoints) -> tuple[Any, Any]:
        model = tiny_model(tokenizer)
        seen = pretrain_on(model, tokenizer, TEXTS * 120, config=config, checkpoints=checkpoints)
        return model.state_dict(), seen

    weights, seen = pretrained(Checkpoints(tmp_path / "whole", math.inf))
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr("cocktail.training.trainer.StepBar.on_step_end", end_at_150)
        pretrained(Checkpoints(tmp_path / "killed", 0.0))
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == ["checkpoint-1", "checkpoint-100"]
    went_on, the_same = pretrained(Checkpoints(tmp_path / "killed", 0.0))
    assert seen == the_same
    assert [name for name in weights if not torch.equal(weights[name], went_on[name])] == []


def test_the_copy_probe_tells_a_copier_from_a_random_model(tokenizer: Any) -> None:
    class Copier(torch.nn.Module):
        """Continues the first repeat of the last token."""

        device = torch.device("cpu")

        def forward(self, input_ids: torch.Tensor, use_cache: bool) -> Any:
            scores = torch.zeros(*input_ids.shape, len(tokenizer))
            for row, ids in enumerate(input_ids.tolist()):
                scores[row, -1, ids[ids.index(ids[-1]) + 1]] = 1.0
            return SimpleNamespace(logits=scores)

    assert copy_probe(Copier(), tokenizer, seed=1) == 1.0  # type: ignore[arg-type]
    assert copy_probe(tiny_model(tokenizer), tokenizer, seed=1) < 0.1


@pytest.mark.slow
def test_a_changed_or_missing_file_of_a_base_is_found(tmp_path: Path) -> None:
    base = build(tmp_path / "base")
    (base / "tokenizer.json").write_text("{}")
    with pytest.raises(RunError) as caught:
        check_base(base)
    assert caught.value.where == str(base / "tokenizer.json")


NAME = "phi3_made_up"


def made(folder: Path, config: ModelConfig, weights: bytes = b"made-up weights") -> Path:
    folder.mkdir(parents=True)
    (folder / WEIGHTS).write_bytes(weights)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    write_base_receipt(folder, {"kind": "scratch", "identity": base_identity(config, source="")})
    return folder


def test_a_base_of_the_recipe_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = made(tmp_path / NAME, MODEL)
    assert shipped_base(NAME, MODEL, bases=tmp_path) == folder
    named = MODEL.model_copy(update={"sha256": digest_file(folder / WEIGHTS)})
    assert shipped_base(NAME, named, bases=tmp_path) == folder
    (tmp_path / "out").mkdir()
    copy_base(folder, tmp_path / "out")
    assert {f.name: f.read_bytes() for f in folder.iterdir()} == {
        f.name: f.read_bytes() for f in (tmp_path / "out").iterdir()
    }


def test_another_recipe_is_made_from_scratch(tmp_path: Path) -> None:
    made(tmp_path / NAME, MODEL)
    wider = MODEL.model_copy(update={"feed_forward": 2 * (MODEL.feed_forward or 0)})
    assert shipped_base(NAME, wider, bases=tmp_path) is None
    assert shipped_base("phi3_other", MODEL, bases=tmp_path) is None


@pytest.mark.parametrize("file", [WEIGHTS, "config.json"])
def test_a_changed_file_is_named_with_its_mend(tmp_path: Path, file: str) -> None:
    folder = made(tmp_path / NAME, MODEL)
    (folder / file).write_bytes(b"another")
    with pytest.raises(SourceError, match=f"changed: {file}") as caught:
        shipped_base(NAME, MODEL, bases=tmp_path)
    assert f"cocktail pretrain {NAME}" in str(caught.value.fix)


def test_weights_that_conf_does_not_name_are_refused(tmp_path: Path) -> None:
    made(tmp_path / NAME, MODEL)
    with pytest.raises(SourceError, match=WEIGHTS):
        shipped_base(NAME, MODEL.model_copy(update={"sha256": "0" * 64}), bases=tmp_path)


def test_a_base_is_shipped_without_what_the_store_notes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = made(tmp_path / "entry", MODEL)
    write_runtime(entry, {"seconds": 1.0})
    monkeypatch.setattr(scratch, "from_scratch", lambda *_, **__: entry)
    old = made(tmp_path / "bases" / NAME, MODEL, weights=b"old")
    digest = ship_base(NAME, MODEL, bases=tmp_path / "bases", store=Store(tmp_path / "store"))
    assert digest == digest_file(entry / WEIGHTS) == digest_file(old / WEIGHTS)
    assert {file.name for file in old.iterdir()} == {WEIGHTS, "config.json", "base.json"}
    assert shipped_base(NAME, MODEL, bases=tmp_path / "bases") == old
