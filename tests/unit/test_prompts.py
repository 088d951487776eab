"""What stands around an example, and what is trained on."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hub_like import hub_like
from tiny_model import ITEMS, STOP

from cocktail.data.prompts import GAP, Item, render_prompts
from cocktail.errors import RunError
from cocktail.training.bases.tokens import settle, token_id
from cocktail.training.rows import IGNORED, TrainingRow, check_completions, training_rows

LONG = Item(
    "t:train:9", "t", "What is the tone?", " ".join(f"word{n}" for n in range(60)) + " last", "positive"
)


def test_two_rows_have_exactly_these_labels(tokenizer: Any) -> None:
    rows, counts = training_rows(tokenizer, ITEMS[:2], stop_token=STOP, max_length=128, truncation="fail")
    stop = tokenizer.convert_tokens_to_ids(STOP)
    for row, word in zip(rows, ("Ġpositive", "Ġnegative"), strict=True):
        word_id = tokenizer.convert_tokens_to_ids(word)
        assert row.labels == [IGNORED] * len(row.prompt) + [word_id, stop]
        assert row.input_ids[-2:] == [word_id, stop]
        assert len(row.labels) == len(row.input_ids)
        assert IGNORED not in row.completion
    assert counts["tone"].as_record() == {"in": 2, "kept": 2, "cut": 0, "dropped": 0}


def test_prompt_text_is_exactly_this(tokenizer: Any) -> None:
    with_input, without = render_prompts(tokenizer, [ITEMS[0], ITEMS[2]], max_length=100)
    assert with_input.text == "<|user|>What is the tone?\nThe mill sold more cloth.<|end|><|assistant|>"
    assert without.text == "<|user|>Add 4 and 5.<|end|><|assistant|>"


def test_training_and_answering_see_the_same_prompt(tokenizer: Any) -> None:
    rows, _ = training_rows(tokenizer, ITEMS, stop_token=STOP, max_length=128, truncation="fail")
    prompts = render_prompts(tokenizer, ITEMS, max_length=128)
    assert [row.prompt for row in rows] == [prompt.ids for prompt in prompts]


@pytest.mark.parametrize(
    ("template", "stop", "eats"), [("phi3.jinja", "<|end|>", True), ("llama3_1.jinja", "<|eot_id|>", False)]
)
def test_templates_of_hub_models_keep_the_seam(template: str, stop: str, eats: bool) -> None:
    tokenizer = hub_like(template, stop, eats_line_break=eats)
    rows, _ = training_rows(tokenizer, ITEMS, stop_token=stop, max_length=400, truncation="fail")
    check_completions(tokenizer, rows, stop)
    assert {row.completion[-1] for row in rows} == {token_id(tokenizer, stop)}


def test_a_seam_in_the_middle_of_a_word_is_kept(tokenizer: Any) -> None:
    """The template's last token would merge with the answer's first; asked, the model sees it unmerged."""
    broken = deepcopy(tokenizer)
    broken.chat_template = "{% for message in messages %}{{ message['content'] + ' posi' }}{% endfor %}"
    item = replace(ITEMS[0], answer="tive tone is positive")
    (prompt,) = render_prompts(broken, [item], max_length=400)
    merged = broken(prompt.text + item.answer, add_special_tokens=False)["input_ids"]
    assert tuple(merged[: len(prompt.ids)]) != prompt.ids
    rows, _ = training_rows(broken, [item], stop_token=STOP, max_length=400, truncation="fail")
    assert rows[0].prompt == prompt.ids
    assert broken.decode(rows[0].completion) == item.answer + STOP
    check_completions(broken, rows, STOP)


def test_a_long_row_fails_is_dropped_or_is_cut_but_never_silently(tokenizer: Any) -> None:
    items = [ITEMS[0], LONG]
    with pytest.raises(RunError) as caught:
        training_rows(tokenizer, items, stop_token=STOP, max_length=80, truncation="fail")
    assert caught.value.where == "t:train:9"
    rows, counts = training_rows(tokenizer, items, stop_token=STOP, max_length=80, truncation="drop")
    assert len(rows) == 1
    assert counts["t"].as_record() == {"in": 1, "kept": 0, "cut": 0, "dropped": 1}
    rows, counts = training_rows(tokenizer, items, stop_token=STOP, max_length=80, truncation="cut")
    assert counts["t"].as_record() == {"in": 1, "kept": 1, "cut": 1, "dropped": 0}
    assert counts["tone"].as_record() == {"in": 1, "kept": 1, "cut": 0, "dropped": 0}
    text = tokenizer.decode(rows[1].input_ids)
    assert 60 < len(rows[1].input_ids) <= 80
    assert text.startswith("<|user|> What is the tone?\nword0")
    assert GAP in text
    assert text.endswith("last<|end|><|assistant|> positive<|end|>")


def test_a_row_of_which_nothing_can_be_cut_is_dropped_and_counted(tokenizer: Any) -> None:
    rows, counts = training_rows(tokenizer, [LONG], stop_token=STOP, max_length=8, truncation="cut")
    assert rows == []
    assert counts["t"].as_record() == {"in": 1, "kept": 0, "cut": 0, "dropped": 1}


def test_an_instruction_that_does_not_fit_is_an_error_when_answering(tokenizer: Any) -> None:
    with pytest.raises(RunError, match="the instruction alone has more than 4 tokens") as caught:
        render_prompts(tokenizer, [LONG], max_length=4)
    assert caught.value.where == "t:train:9"


def test_a_long_prompt_is_cut_in_the_middle_when_answering(tokenizer: Any) -> None:
    whole, cut = render_prompts(tokenizer, [ITEMS[0], LONG], max_length=60)
    assert (whole.cut, cut.cut) == (False, True)
    assert len(cut.ids) <= 60


def test_check_finds_a_completion_that_is_not_the_answer(tokenizer: Any) -> None:
    (row,), _ = training_rows(tokenizer, ITEMS[:1], stop_token=STOP, max_length=128, truncation="fail")
    check_completions(tokenizer, [row], STOP)
    without_stop = replace(row, completion=row.completion[:-1])
    other_answer = replace(row, answer="neutral")
    shifted = TrainingRow(
        row.source, row.prompt[:-1], (row.prompt[-1], *row.completion), row.answer, cut=False
    )
    for wrong in (without_stop, other_answer, shifted):
        with pytest.raises(RunError):
            check_completions(tokenizer, [wrong], STOP)


def test_an_answer_that_holds_the_stop_token_is_an_error(tokenizer: Any) -> None:
    """The text alone looks right: only the count of stop tokens tells."""
    stop = tokenizer.convert_tokens_to_ids(STOP)
    good, bad = (tokenizer.convert_tokens_to_ids(f"Ġ{word}") for word in ("positive", "negative"))
    row = TrainingRow("t", (good,), (good, stop, bad, stop), "positive<|end|> negative", cut=False)
    assert tokenizer.decode(row.completion) == row.answer + STOP
    with pytest.raises(RunError):
        check_completions(tokenizer, [row], STOP)


def test_stop_token_must_exist_and_differ_from_pad(tokenizer: Any) -> None:
    ours = deepcopy(tokenizer)
    assert token_id(ours, STOP) != ours.pad_token_id
    with pytest.raises(RunError):
        token_id(ours, "<|nothing|>")
    settle(ours, stop_token="<|pad|>", chat_template=None, where="models.ours")
    assert ours.pad_token != "<|pad|>"


def test_numbers_stay_apart_and_come_back(tokenizer: Any) -> None:
    for text in ("4 - 9 = -5", "(12.5%)", " two  spaces", "line\nbreak", "naïve €"):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids) == text
    assert "=-" not in tokenizer.convert_ids_to_tokens(
        tokenizer("=-5", add_special_tokens=False)["input_ids"]
    )
