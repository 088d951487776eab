"""What stands around an example, and what is trained on.

Solved examples before the questions: of train, drawn by seed, never of the item's own cluster.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from answers_fixture import study_params
from hub_like import hub_like
from tiny_model import ITEMS, STOP

from cocktail.config import load_params
from cocktail.data.evaluation_set import NO_SHOTS, Shots, read_evaluation_set
from cocktail.data.grid import Asked, explore_runs
from cocktail.data.prompts import GAP, Item, render_prompts
from cocktail.data.table import COLUMNS, write_split
from cocktail.errors import RunError
from cocktail.files.records import write_json
from cocktail.inference.answer import render_set
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


ROOT = Path(__file__).parents[2]
NUM_TRAIN, COUNT = 12, 3
TONE = Asked("tone", True, None)


def rows(split: str, clusters: list[str]) -> pd.DataFrame:
    values = [
        (f"tone:{split}:{n}", "tone", "What is the tone?", f"{split} text {n}", "positive", "positive", c, "")
        for n, c in enumerate(clusters)
    ]
    return pd.DataFrame(values, columns=COLUMNS)


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """Each test item has a train row's cluster, as with ``leakage: keep``; two train rows have one."""
    write_split(tmp_path, "tone", "train", rows("train", [f"c{n}" for n in range(NUM_TRAIN)] + ["c0"]))
    write_split(tmp_path, "tone", "dev", rows("dev", ["d0", "d1"]))
    write_split(tmp_path, "tone", "test", rows("test", [f"c{n}" for n in range(NUM_TRAIN)]))
    for split, table in (("train", []), ("dev", []), ("test", ["e0"])):
        other = rows(split, table).assign(task="bare", item=[f"bare:{split}:{n}" for n in range(len(table))])
        write_split(tmp_path, "bare", split, other)
    facts = {"max_new_tokens": 4, "labels": None}
    write_json(tmp_path / "tasks.json", {"tone": facts, "bare": facts})
    return tmp_path


def test_examples_are_train_rows_of_other_clusters(prepared: Path) -> None:
    evaluation_set = read_evaluation_set(prepared, TONE, Shots(COUNT, 42))
    for item, cluster in zip(evaluation_set.items(), evaluation_set.table["cluster"], strict=True):
        assert len(item.shots) == COUNT == len({shot.item for shot in item.shots})
        assert all(shot.item.startswith("tone:train:") for shot in item.shots)
        own = {f"tone:train:{n}" for n, c in enumerate([*range(NUM_TRAIN), 0]) if f"c{c}" == cluster}
        assert not own & {shot.item for shot in item.shots}


def test_one_seed_gives_one_draw_and_another_seed_another(prepared: Path) -> None:
    def shown(seed: int) -> list[Any]:
        return [item.shots for item in read_evaluation_set(prepared, TONE, Shots(COUNT, seed)).items()]

    assert shown(42) == shown(42) != shown(43)
    first = read_evaluation_set(prepared, TONE, Shots(COUNT, 42)).items()
    dev = {item.shots for item in first if item.item.startswith("tone:dev:")}
    assert len(dev) == 1, "items of no train cluster share their examples, so that they are read once"


def test_a_task_without_train_rows_is_asked_without_examples(prepared: Path) -> None:
    evaluation_set = read_evaluation_set(prepared, Asked("bare", True, None), Shots(COUNT, 42))
    assert [len(item.shots) for item in evaluation_set.items()] == [0]


def test_the_digest_tells_what_is_shown(prepared: Path) -> None:
    digests = [
        read_evaluation_set(prepared, TONE, s).digest()
        for s in (NO_SHOTS, Shots(0, 43), Shots(2), Shots(3), Shots(3, 43))
    ]
    assert digests[0] == digests[1]
    assert len(set(digests[1:])) == 4


def test_examples_take_half_of_the_prompt_at_most(prepared: Path, tokenizer: Any) -> None:
    evaluation_set = read_evaluation_set(prepared, TONE, Shots(COUNT, 42))
    rendered = render_set(tokenizer, evaluation_set, max_prompt=250, stop_token="<|end|>")
    for prompt, item in zip(rendered.prompts, evaluation_set.items(), strict=True):
        assert prompt.text.count("<|assistant|>") == COUNT + 1
        assert prompt.text.endswith(f"{item.input}<|end|><|assistant|>")
        assert len(prompt.ids) <= 250


def test_untuned_runs_are_asked_once_more_where_the_study_says_so() -> None:
    params = study_params("smoke", "answer.shots=5", "model=[phi3_smoke,phi3_tiny_large]")
    for model in params.models:
        first, second = explore_runs(params, model=model)[:2]
        assert (first.id, first.shots, second.id, second.kind, second.shots) == (
            "base",
            0,
            "base_shots",
            "shots",
            5,
        )
    assert "base_shots" not in [run.id for run in explore_runs(load_params(ROOT / "params.yaml"))]
