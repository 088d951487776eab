"""The pretraining text and the instruction phase: enough, deterministic, and without any test text."""

from __future__ import annotations

import re
from itertools import islice

import pytest

from cocktail.sources.synthetic import LAYOUT, instruction_rows, pretraining_text
from cocktail.sources.synthetic import files as synthetic_files
from cocktail.sources.synthetic.primer import LINES
from cocktail.sources.synthetic.streams import plain
from cocktail.sources.synthetic.topics import TOPICS
from cocktail.tasks import load_task

PIECE = re.compile(r"\d|\w+|[^\w\s]")


@pytest.fixture(scope="module")
def text() -> list[str]:
    return list(pretraining_text(seed=7, num_tokens_hint=300_000))


def test_it_holds_at_least_the_tokens_asked_for(text: list[str]) -> None:
    counted = sum(len(PIECE.findall(document)) for document in text)
    assert 300_000 <= counted < 301_000


def test_seeds_decide(text: list[str]) -> None:
    assert list(islice(pretraining_text(seed=7, num_tokens_hint=9999), 50)) == text[:50]
    assert list(islice(pretraining_text(seed=8, num_tokens_hint=9999), 50)) != text[:50]


def test_a_sixth_of_it_are_lists_said_twice(text: list[str]) -> None:
    copies = [document for document in text if " again: " in document]
    share = sum(map(len, copies)) / sum(map(len, text))
    assert share >= 0.15
    for listed, again in re.findall(r"([^.]+)\. again: ([^.]+)\.", " ".join(copies[:300])):
        assert listed.strip() == again


def test_its_sums_are_right(text: list[str]) -> None:
    sums = re.findall(r"(\d+)([+-])(\d+)=(-?\d+)", " ".join(text))
    assert len(sums) > 5000
    assert all(int(left) + int(f"{sign}{right}") == int(result) for left, sign, right, result in sums)


@pytest.mark.parametrize("world_seed", [7, 8])
def test_no_test_text_occurs_in_it(text: list[str], world_seed: int) -> None:
    """The text a test row asks about is its cluster: sentence, headline, message, page, problem, question."""
    all_text = " " + plain("\n".join(text))
    world = dict.fromkeys(synthetic_files.world_keys(), 60) | {"seed": world_seed}
    for source, files in LAYOUT.items():
        task = load_task(source)
        for path, split in files.items():
            if split != "test":
                continue
            file = synthetic_files.RawFile.model_validate({"path": path, "split": split})
            for row in synthetic_files.raw_rows(source, file, world=world):
                example = task.example(row)
                asked = example.input if source == "financebench" else example.cluster
                page = asked.partition("\nQuestion:")[0].partition("\nA. ")[0]
                assert f" {plain(page).rstrip('.?')}" not in all_text, (source, page)


def test_the_words_of_prompts_and_labels_occur_in_it(text: list[str]) -> None:
    """A tokenizer trained on the text would spell other words letter by letter."""
    known = set(re.findall(r"[A-Za-z]+", " ".join(text)))
    for source in LAYOUT:
        task = load_task(source)
        if source == "filler":
            continue
        words = set(re.findall(r"[A-Za-z]{2,}", " ".join(task.labels or ())))
        file = next(iter(LAYOUT[source]))
        split = LAYOUT[source][file]
        raw = synthetic_files.RawFile.model_validate({"path": file, "split": split})
        world = dict.fromkeys(synthetic_files.world_keys(), 30) | {"seed": 7}
        for row in synthetic_files.raw_rows(source, raw, world=world):
            words |= set(re.findall(r"[A-Za-z]{2,}", re.sub("'.*?'", "", task.example(row).instruction)))
        assert words <= known, (source, words - known)


def test_forms_hold_no_answer() -> None:
    assert not any(re.search(r"\d", line) for line in LINES)
    assert len(TOPICS) == 20


def test_instruction_rows() -> None:
    rows = instruction_rows(seed=7, count=500)
    assert rows == instruction_rows(seed=7, count=500)
    assert rows != instruction_rows(seed=8, count=500)
    assert len(rows) == 500
    assert all(row["answer"] and row["instruction"] for row in rows)
    for row in rows:
        options = re.search(r"(?:Options|out of): (.*?)\.?$", row["instruction"])
        if options:
            assert row["answer"] in options.group(1).split(", ")
        if row["instruction"].startswith("Is "):
            asked = row["instruction"].split()[1]
            assert row["answer"] == ("Yes" if asked in row["input"].split() else "No")
        if "letter" in row["instruction"]:
            assert row["answer"] in "ABCD"
    assert len({row["instruction"].split()[0] for row in rows}) >= 6
