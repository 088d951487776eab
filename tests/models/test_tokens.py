"""Whatever a tokenizer brings, after ``settle`` it stops, pads and renders as all that follows expects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hub_like import CHATML, SPECIALS, STOP, byte_like, hub_template
from tiny_model import tiny_model
from tokenizers import AddedToken

from cocktail.data.prompts import Item, render_prompts, special_ids
from cocktail.errors import RunError
from cocktail.inference.engine import Question
from cocktail.inference.generate import TorchEngine
from cocktail.training.bases.tokens import end_ids, settle, token_id
from cocktail.training.device import load_tokenizer
from cocktail.training.rows import check_completions, training_rows

ITEM = Item("t:0", "t", "What is the tone?", "The mill sold more cloth.", "positive")


def settled(tokenizer: Any, *, stop: str = STOP, template: str | None = None) -> Any:
    settle(tokenizer, stop_token=stop, chat_template=template, where="models.tiny")
    return tokenizer


PADS: dict[str, tuple[tuple[str, ...], dict[str, str], str]] = {
    "pad, end and stop are one": (SPECIALS, {"pad_token": STOP}, "<|endoftext|>"),
    "no pad": (SPECIALS, {}, "<|endoftext|>"),
    "no pad, a token set aside": (("<|endoftext|>", "<pad>", *SPECIALS[1:]), {}, "<pad>"),
    "no pad but what stands for the unknown": (("<unk>", *SPECIALS[1:]), {"unk_token": "<unk>"}, "<unk>"),
    "pad is the unknown": (("<unk>", *SPECIALS), {"unk_token": "<unk>", "pad_token": "<unk>"}, "<unk>"),
    "pad of its own": (("<mine>", *SPECIALS), {"pad_token": "<mine>"}, "<mine>"),
}


@pytest.mark.parametrize("kind", PADS)
def test_a_tokenizer_pads_with_a_token_that_is_not_the_stop_token(kind: str, tmp_path: Path) -> None:
    specials, tokens, pad = PADS[kind]
    settled(byte_like(CHATML, specials, **tokens)).save_pretrained(tmp_path)
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.pad_token == pad
    assert tokenizer.pad_token_id == tokenizer.convert_tokens_to_ids(pad) != token_id(tokenizer, STOP)
    padded = tokenizer(["cut 12 jobs", "cut"], padding=True)
    assert padded["attention_mask"][1][0] == 0  # on the left
    assert padded["input_ids"][1][0] == tokenizer.pad_token_id


def test_without_a_token_to_pad_with_the_error_names_those_that_would_do() -> None:
    with pytest.raises(RunError) as caught:
        settled(byte_like(CHATML, ("<|im_start|>", STOP)))
    assert "pad token" in caught.value.what and caught.value.where == "models.tiny"
    assert "<|endoftext|>" in caught.value.fix


def test_a_stop_token_that_is_not_in_the_vocabulary_is_an_error_with_the_nearest() -> None:
    with pytest.raises(RunError) as caught:
        settled(byte_like(CHATML), stop="<|im_ends|>")
    assert "did you mean '<|im_end|>'" in caught.value.what
    assert (caught.value.where, caught.value.fix) == ("models.tiny", "models.<name>.stop_token")


def test_a_stop_token_without_the_rank_of_a_special_one_gets_it(tmp_path: Path) -> None:
    """Otherwise its text inside the data would end a turn, and answers would hold it."""
    tokenizer = byte_like(CHATML.replace(STOP, "<|stop|>"), pad_token="<|endoftext|>")
    tokenizer.add_tokens([AddedToken("<|stop|>", special=False, normalized=False)])
    settled(tokenizer, stop="<|stop|>").save_pretrained(tmp_path)
    tokenizer = load_tokenizer(tmp_path)
    stop = token_id(tokenizer, "<|stop|>")
    assert stop in special_ids(tokenizer)
    item = Item("t:0", "t", "Say <|stop|>", "or <|stop|>.", "a <|stop|> b")
    rows, _ = training_rows(tokenizer, [item], stop_token="<|stop|>", max_length=200, truncation="fail")
    assert (rows[0].prompt.count(stop), rows[0].completion.count(stop)) == (1, 1)
    check_completions(tokenizer, rows, "<|stop|>")


def test_answers_are_decoded_as_they_were_written(tmp_path: Path) -> None:
    forced = {"clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output": True}
    tokenizer = byte_like(CHATML, clean_up_tokenization_spaces=True, **forced)
    settled(tokenizer).save_pretrained(tmp_path)
    again = load_tokenizer(tmp_path)
    text = "a , b ! it 's n't 4 . 5"
    ids = again(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == again.decode(ids) == text


def test_without_a_template_the_error_names_the_key_that_sets_one() -> None:
    with pytest.raises(RunError) as caught:
        settled(byte_like(None))
    assert "no chat template" in caught.value.what
    assert caught.value.where == "models.tiny" and "chat_template" in caught.value.fix


def test_the_template_of_the_configuration_takes_the_place_of_the_own(tmp_path: Path) -> None:
    ours = CHATML.replace("assistant", "model")
    for number, own in enumerate((None, CHATML)):
        folder = tmp_path / str(number)
        settled(byte_like(own), template=ours).save_pretrained(folder)
        (prompt,) = render_prompts(load_tokenizer(folder), [ITEM], max_length=100)
        assert prompt.text.endswith("<|im_start|>model\n")


def test_of_several_templates_the_default_one_is_used(tmp_path: Path) -> None:
    tokenizer = byte_like(None)
    tokenizer.chat_template = {"default": CHATML, "tool_use": "{{ 'tools' }}"}
    settled(tokenizer).save_pretrained(tmp_path)
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.chat_template == CHATML
    assert render_prompts(tokenizer, [ITEM], max_length=100)[0].text.startswith("<|im_start|>user\nWhat")


BROKEN = {
    "no Jinja": "{% for message in %}",
    "no such filter": "{{ messages | nothing }}",
    "refuses": "{{ raise_exception('user turns only with tools') }}",
    "a name of nothing": "{{ config.turns[0] }}",
    "without the question": "<|im_start|>assistant\n",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_template_that_cannot_ask_is_refused_with_the_base_not_with_the_first_run(kind: str) -> None:
    with pytest.raises(RunError) as caught:
        settled(byte_like(BROKEN[kind]))
    assert "chat template" in caught.value.what and caught.value.where == "models.tiny"


def write_ends(folder: Path, *, config: Any, generation: Any) -> None:
    for name, ends in (("config.json", config), ("generation_config.json", generation)):
        (folder / name).write_text(json.dumps({} if ends is None else {"eos_token_id": ends}))


@pytest.mark.parametrize(
    ("config", "generation", "found"),
    [
        (None, None, (2,)),
        (2, 2, (2,)),
        (0, None, (2, 0)),
        (0, [1, 2], (2, 0, 1)),
        ([5, 0], [0, 7], (2, 5, 0, 7)),
        (None, [0], (2, 0)),
    ],
)
def test_every_end_that_the_models_files_name_ends_an_answer_the_stop_token_first(
    config: Any, generation: Any, found: tuple[int, ...], tmp_path: Path
) -> None:
    write_ends(tmp_path, config=config, generation=generation)
    assert end_ids(tmp_path, byte_like(CHATML), STOP) == found
    if config is None:
        (tmp_path / "config.json").unlink()
        assert end_ids(tmp_path, byte_like(CHATML), STOP) == found


def test_an_answer_ends_at_whichever_end_comes_first() -> None:
    torch.set_num_threads(1)
    tokenizer = byte_like(CHATML, pad_token="<|endoftext|>")
    model = tiny_model(tokenizer, spread=4.0).eval()
    (prompt,) = render_prompts(tokenizer, [ITEM], max_length=100)
    question = Question(prompt.ids, 8)
    (written,) = TorchEngine(model, (), 1).generate([question])
    assert not written.stopped and len(written.ids) == 8
    unused = next(token for token in range(len(tokenizer)) if token not in written.ids)
    third = written.ids[2]
    cut = written.ids[: written.ids.index(third)]
    for ends in ((unused, third), (third, unused)):
        (answer,) = TorchEngine(model, ends, 1).generate([question])
        assert (answer.ids, answer.stopped) == (cut, True)


def test_a_default_system_turn_stays_as_the_model_was_tuned_with_it() -> None:
    tokenizer = settled(byte_like(hub_template("qwen2_5.jinja")))
    (prompt,) = render_prompts(tokenizer, [ITEM], max_length=400)
    assert prompt.text == (
        "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\nWhat is the tone?\nThe mill sold more cloth.<|im_end|>\n<|im_start|>assistant\n"
    )
