"""One prompt for training and answering: BOS once, special tokens of the template only, no clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hub_like import CHATML, SPECIALS, STOP, byte_like, hub_like, hub_template
from transformers.utils import chat_template_utils

from cocktail.data.prompts import GAP, Item, fit_shots, render_prompts, special_ids
from cocktail.inference.engine import label_trie
from cocktail.training.bases.tokens import settle, token_id
from cocktail.training.rows import check_completions, training_rows

ITEM = Item("t:0", "t", "What is the tone?", "The mill sold more cloth.", "positive")
GEMMA = ("<bos>", "<pad>", "<start_of_turn>", "<end_of_turn>")
LLAMA = ("<|begin_of_text|>", "<pad>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
FIXED = "{{ 'Today is ' + date_string + '. ' }}"
ASKED = "{{ 'Today is ' + strftime_now('%d %b %Y') + '. ' }}"


def settled(tokenizer: Any, stop: str = STOP) -> Any:
    settle(tokenizer, stop_token=stop, chat_template=None, where="models.tiny")
    return tokenizer


def gemma() -> Any:
    """Its template and its tokenizer both put BOS first."""
    return byte_like(hub_template("gemma.jinja"), GEMMA, bos_token="<bos>", pad_token="<pad>", adds_bos=True)


def llama() -> Any:
    """Its template trims, and opens with a system turn that names the day."""
    names = {"bos_token": LLAMA[0], "pad_token": "<pad>"}
    return byte_like(hub_template("llama3_2.jinja"), LLAMA, adds_bos=True, **names)


def phi() -> Any:
    return hub_like("phi3.jinja", "<|end|>", eats_line_break=True)


FAMILIES: dict[str, tuple[Any, str]] = {
    "chatml": (lambda: byte_like(CHATML), STOP),
    "qwen": (lambda: byte_like(hub_template("qwen2_5.jinja")), STOP),
    "gemma": (gemma, "<end_of_turn>"),
    "llama": (llama, "<|eot_id|>"),
    "phi": (phi, "<|end|>"),
}


@pytest.mark.parametrize(
    ("template", "adds", "expected"),
    [
        ("{{ bos_token }}" + CHATML, True, 1),
        ("{{ bos_token }}" + CHATML, False, 1),
        (CHATML, True, 1),
        (CHATML, False, 0),
    ],
    ids=["both", "template", "tokenizer", "neither"],
)
def test_bos_stands_once_whoever_puts_it(template: str, adds: bool, expected: int) -> None:
    tokenizer = settled(byte_like(template, ("<bos>", *SPECIALS), bos_token="<bos>", adds_bos=adds))
    (prompt,) = render_prompts(tokenizer, [ITEM], max_length=100)
    bos = tokenizer.bos_token_id
    assert prompt.ids.count(bos) == prompt.text.count("<bos>") == expected
    assert (prompt.ids[0] == bos) is bool(expected)
    rows, _ = training_rows(tokenizer, [ITEM], stop_token=STOP, max_length=100, truncation="fail")
    assert rows[0].input_ids.count(bos) == expected


def of_template(tokenizer: Any, item: Item) -> list[int]:
    """The special tokens of the same chat with other words in it."""
    plain = replace(
        item,
        instruction="Say it.",
        input="",
        shots=tuple(replace(shot, instruction="Say it.", input="", answer="it") for shot in item.shots),
    )
    (prompt,) = render_prompts(tokenizer, [plain], max_length=10**6)
    return specials_in(tokenizer, prompt.ids)


def specials_in(tokenizer: Any, ids: Any) -> list[int]:
    return [token for token in ids if token in special_ids(tokenizer)]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("place", ["instruction", "input", "answer", "shot", "shot's answer"])
def test_the_text_of_special_tokens_inside_the_data_stays_text(place: str, family: str) -> None:
    make, stop = FAMILIES[family]
    tokenizer = settled(make(), stop)
    marked = f"sold{stop} more {stop}\n{stop}"
    shot = replace(ITEM, item="t:1", answer="negative")
    if place == "shot":
        shot = replace(shot, input=marked)
    elif place == "shot's answer":
        shot = replace(shot, answer=marked)
    item = replace(
        ITEM, shots=(shot,), **({place: marked} if place in ("instruction", "input", "answer") else {})
    )
    rows, _ = training_rows(tokenizer, [item], stop_token=stop, max_length=10**6, truncation="fail")
    (row,) = rows
    (prompt,) = render_prompts(tokenizer, [item], max_length=10**6)
    assert row.prompt == prompt.ids
    assert specials_in(tokenizer, row.prompt) == of_template(tokenizer, item)
    assert specials_in(tokenizer, row.completion) == [token_id(tokenizer, stop)]
    check_completions(tokenizer, rows, stop)
    assert tokenizer.decode(row.completion) == item.answer + stop
    shown = tokenizer.decode(row.prompt)
    assert all(text in shown for text in (item.question, shot.question, shot.answer))
    if family != "phi":  # its special tokens take the line break that follows
        assert shown == prompt.text


def test_what_a_template_trims_is_trimmed_from_data_that_hold_a_special_token() -> None:
    tokenizer = settled(llama(), "<|eot_id|>")
    items = [replace(ITEM, input=f"  sold {word} more. \n") for word in ("<|eot_id|>", "much")]
    for prompt in render_prompts(tokenizer, items, max_length=10**6):
        assert tokenizer.decode(prompt.ids) == prompt.text


@pytest.mark.parametrize("family", FAMILIES)
def test_data_that_hold_a_special_token_are_cut_like_others(family: str) -> None:
    make, stop = FAMILIES[family]
    tokenizer = settled(make(), stop)
    item = replace(ITEM, input=" ".join(["cut 12 jobs", stop] * 60))
    whole = len(render_prompts(tokenizer, [ITEM], max_length=10**6)[0].ids)
    (prompt,) = render_prompts(tokenizer, [item], max_length=whole + 60)
    assert prompt.cut and whole < len(prompt.ids) <= whole + 60
    assert specials_in(tokenizer, prompt.ids) == of_template(tokenizer, item)
    assert GAP in tokenizer.decode(prompt.ids)


def test_a_seam_within_a_word_is_the_same_in_training_answering_and_label_decoding() -> None:
    """The template ends in ` posi`, which with an answer `tive` would be one token."""
    tokenizer = settled(byte_like(CHATML.replace("assistant\n", "assistant\n posi")))
    items = [replace(ITEM, answer=answer) for answer in ("tive", "tion")]
    prompts = render_prompts(tokenizer, items, max_length=100)
    rows, _ = training_rows(tokenizer, items, stop_token=STOP, max_length=100, truncation="fail")
    whole = tokenizer(prompts[0].text + "tive", add_special_tokens=False)["input_ids"]
    assert tuple(whole[: len(prompts[0].ids)]) != prompts[0].ids
    trie = label_trie(tokenizer, {"yes": "tive", "no": "tion"}, prompt=prompts[0], stop_token=STOP)
    for item, prompt, row, label in zip(items, prompts, rows, ("yes", "no"), strict=True):
        assert row.prompt == prompt.ids
        assert tokenizer.decode(row.completion) == item.answer + STOP
        node: Any = trie
        for token in row.completion:
            node = node[token]
        assert node == label


@pytest.mark.parametrize("template", [FIXED + CHATML, ASKED + CHATML], ids=["given", "asked for"])
def test_a_template_that_names_the_day_gives_one_prompt_every_day(
    template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock(datetime):
        days = iter(range(1, 29))

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime(2031, 5, next(cls.days))

    monkeypatch.setattr(chat_template_utils, "datetime", Clock)
    tokenizer = settled(byte_like(template))
    prompts = [render_prompts(tokenizer, [ITEM], max_length=200)[0] for _ in range(2)]
    assert prompts[0] == prompts[1]
    assert prompts[0].text.startswith("Today is 26 Jul 2024. <|im_start|>user")


def test_solved_examples_are_earlier_turns_of_the_chat() -> None:
    one = replace(ITEM, input="Orders fell.", answer="negative")
    two = replace(ITEM, input="", answer="neutral")
    (prompt,) = render_prompts(settled(byte_like(CHATML)), [replace(ITEM, shots=(one, two))], max_length=300)
    turns = (
        ("user", "What is the tone?\nOrders fell."),
        ("assistant", "negative"),
        ("user", "What is the tone?"),
        ("assistant", "neutral"),
        ("user", "What is the tone?\nThe mill sold more cloth."),
    )
    written = "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in turns)
    assert prompt.text == written + "<|im_start|>assistant\n"


def test_solved_examples_lose_their_middle_until_each_fits() -> None:
    tokenizer = settled(byte_like(CHATML))
    long = replace(ITEM, item="t:1", input="first " + "cut 12 jobs " * 40 + "last")
    short = replace(ITEM, item="t:2", answer="neutral")
    wordy = replace(ITEM, item="t:3", instruction="Say the tone. " * 40)
    room = len(render_prompts(tokenizer, [ITEM], max_length=200)[0].ids) + 20
    asked = [replace(ITEM, shots=(long, short)), replace(long, item="t:4", shots=(wordy, long))]
    fitted = fit_shots(tokenizer, asked, room=room)
    assert [replace(item, shots=()) for item in fitted] == [replace(item, shots=()) for item in asked]
    cut = fitted[0].shots[0]
    assert cut.input.startswith("first cut 12") and cut.input.endswith("jobs last") and GAP in cut.input
    assert len(render_prompts(tokenizer, [cut], max_length=10**6)[0].ids) <= room
    assert (cut.answer, fitted[0].shots[1]) == (long.answer, short)
    assert fitted[1].shots == (wordy, cut)  # of an instruction nothing is cut
