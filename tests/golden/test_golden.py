"""One golden file per task: raw row -> example -> prompt, and answer -> score. All rows are invented.

A change here is a change of what models are asked or how they are judged: read it before accepting it.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from cocktail.config import task_names
from cocktail.data.prompts import Item, turns_of
from cocktail.files.records import digest_value
from cocktail.scoring.outcome import RULES, Tolerance, judge
from cocktail.tasks import load_task

FOLDER = Path(__file__).parent
TASKS = task_names()
RULED_AS = "1 ff98a91f874ea467c7599a4ed3ac9912473355296296c7bd819bfac36070d6cd"
# Whose answers RULED_AS was taken of; a new task adds none, as it changes no rule.
RULED = (
    *("convfinqa", "filler", "fin_ner_cls", "financebench", "finqa", "fpb", "gsm8k", "headline", "knowledge"),
    *("open_orca", "orca_math", "twitter_sa", "twitter_topics"),
)
FREE_TEXTS = ("The Mill.", "mill", "net sales of mill in May", "net sales fell", "Net sales", "-4 million")


def golden(task: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{task}.json").read_text(encoding="utf-8"))
    return found


def test_every_task_has_a_golden_file_and_no_file_is_left_over() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == TASKS


@pytest.mark.parametrize("task", TASKS)
def test_a_raw_row_becomes_the_golden_example_and_prompt(task: str) -> None:
    expected = golden(task)
    example = load_task(task).asked(expected["row"])
    assert asdict(example) == expected["example"]
    item = Item(f"{task}:test:0", task, example.instruction, example.input, example.answer)
    assert turns_of(item) == [{"role": "user", "content": expected["prompt"]}]


@pytest.mark.parametrize("name", TASKS)
def test_answers_get_the_golden_scores(name: str) -> None:
    task, expected = load_task(name), golden(name)
    assert bool(expected["scores"]) == task.evaluates
    for score in expected["scores"]:
        outcome = judge(
            score["answer"],
            expected["example"]["gold"],
            kind=task.kind,
            labels=task.labels or (),
            tolerance=Tolerance(relative=0.01, absolute=1e-6),
        )
        assert (outcome.strict, outcome.lenient) == (score["strict"], score["lenient"]), score["answer"]


@pytest.mark.parametrize("name", TASKS)
def test_the_training_answer_of_an_evaluated_task_scores_full_marks(name: str) -> None:
    """What a model is trained to say is what scoring wants to hear."""
    task, example = load_task(name), golden(name)["example"]
    if task.evaluates and task.trains:
        outcome = judge(
            example["answer"],
            example["gold"],
            kind=task.kind,
            labels=task.labels or (),
            tolerance=Tolerance(relative=0.0, absolute=0.0),
        )
        assert outcome.strict == "ok"


def test_rules_that_give_other_codes_have_another_number() -> None:
    """Codes that a study keeps without text are refused by the number of their rules, and by nothing else.

    Every golden answer of :data:`RULED` is held against the gold of every such task, and free texts against
    each other. Where this fails: raise ``RULES``, and write the new line into ``RULED_AS``.
    """
    tolerance = Tolerance(relative=0.01, absolute=1e-6)
    files = [(load_task(name), golden(name)) for name in RULED]
    asked = [
        (file["example"]["gold"], task.kind, task.labels or ()) for task, file in files if file["scores"]
    ]
    asked += [(text, "free", ()) for text in FREE_TEXTS]
    answers = [*(score["answer"] for _, file in files for score in file["scores"]), *FREE_TEXTS]
    outcomes = [
        asdict(judge(answer, gold, kind=kind, labels=labels, tolerance=tolerance))
        for gold, kind, labels in asked
        for answer in answers
    ]
    assert f"{RULES} {digest_value(outcomes)}" == RULED_AS
