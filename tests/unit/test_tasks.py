"""Tasks refuse rows that they cannot use, each with its reason; the registry knows them by file name.

Any task that is trained and evaluated can be a target, with verdict rows; nothing lists the tasks.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from data_params import make_source
from own_task import TEXT, own_task

from cocktail.claims.arms import lacking
from cocktail.claims.schema import ContrastTest, all_tasks_of, read_claims, tasks_of
from cocktail.config import check_params, general_tasks, task_names
from cocktail.config.compose import compose
from cocktail.config.tasks import TaskFacts, task_facts
from cocktail.errors import ConfigError
from cocktail.tasks import BadRow, load_task
from cocktail.tasks.base import number_named

GOLDEN = Path(__file__).parents[1] / "golden"


def row(task: str, **fields: Any) -> dict[str, Any]:
    """The task's golden row with some fields replaced."""
    found: dict[str, Any] = json.loads((GOLDEN / f"{task}.json").read_text(encoding="utf-8"))["row"]
    return found | fields


def test_a_task_is_named_as_its_file_and_reads_only_columns_it_declares() -> None:
    for name in task_names():
        task = load_task(name)
        assert task.name == name
        whole = row(name)
        assert task.example({column: whole[column] for column in task.columns}) == task.example(whole)


def test_an_unknown_task_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="did you mean 'headline'"):
        load_task("headlin")
    with pytest.raises(ConfigError):
        load_task("base")  # the module of common parts is no task


@pytest.mark.parametrize(
    ("task", "fields", "reason"),
    [
        ("fpb", {"label": 3}, "label is '3', not one of 0 to 2"),
        ("fpb", {"label": -1}, "label is '-1', not one of 0 to 2"),
        ("fpb", {"label": None}, "label is 'None', not one of 0 to 2"),
        ("fpb", {"sentence": " "}, "sentence is empty"),
        ("fpb", {"sentence": 7}, "sentence is no text but int"),
        ("twitter_sa", {"label": "1.0"}, "label is '1.0', not one of 0 to 2"),
        ("twitter_topics", {"label": "20"}, "label is '20', not one of 0 to 19"),
        ("headline", {"output": "Perhaps"}, "output is 'Perhaps', not one of Yes, No"),
        ("fin_ner_cls", {"output": "date"}, "output is 'date', not one of person, location, organization"),
        ("finqa", {"answer": "about 4"}, "'about 4' is no number"),
        ("finqa", {"text": "no question here"}, "text has no page and question"),
        ("convfinqa", {"output": "n/a"}, "'n/a' is no number"),
        ("convfinqa", {"input": "Context: \nConversations:\nQuestion: 1"}, "input has no page"),
        ("financebench", {"evidence": None}, "evidence is no list of passages"),
        ("financebench", {"doc_name": None}, "doc_name is empty"),
        ("knowledge", {"choices": ["a", "b"]}, "choices is no list of 4"),
        ("knowledge", {"answer": 4}, "answer is '4', not one of 0 to 3"),
        ("gsm8k", {"answer": "seven"}, "answer has no ####"),
    ],
)
def test_a_row_that_cannot_be_used_is_refused_with_its_reason(
    task: str, fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises(BadRow) as caught:
        load_task(task).example(row(task, **fields))
    assert str(caught.value).startswith(reason)


@pytest.mark.parametrize(
    ("task", "column"),
    [("headline", "output"), ("finqa", "answer"), ("open_orca", "response"), ("financebench", "answer")],
)
def test_an_empty_answer_is_left_for_cleaning_to_count(task: str, column: str) -> None:
    assert load_task(task).example(row(task, **{column: " "})).gold == ""


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("6823.0", "6823"),
        ("-4.50", "-4.5"),
        ("1,234", "1234"),
        ("(5.1)", "-5.1"),
        ("14%", "14%"),
        ("14.25 %", "14.25%"),
        ("$ 3.2 million", "3200000"),
        ("1e-05", "1e-05"),
        ("Yes", "yes"),
        ("no", "no"),
    ],
)
def test_numeric_gold_is_canonical_and_keeps_its_percent_sign(answer: str, gold: str) -> None:
    assert number_named(answer) == gold


@pytest.mark.parametrize(
    ("task", "numbers"),
    [
        ("fpb", {0: "negative", 1: "neutral", 2: "positive"}),
        ("twitter_sa", {0: "Bearish", 1: "Bullish", 2: "Neutral"}),
        ("twitter_topics", {0: "Analyst Update", 5: "Earnings", 11: "IPO", 17: "Personnel Change"}),
        ("twitter_topics", {9: "General News | Opinion", 14: "Macro", 19: "Stock Movement"}),
        ("knowledge", {0: "A", 3: "D"}),
    ],
)
def test_label_numbers_mean_what_their_data_sets_say(task: str, numbers: dict[int, str]) -> None:
    column = "answer" if task == "knowledge" else "label"
    found = {number: load_task(task).example(row(task, **{column: number})).gold for number in numbers}
    assert found == numbers


def test_finqa_and_convfinqa_name_the_page_and_nothing_else_as_their_document() -> None:
    finqa = load_task("finqa").example(row("finqa"))
    conversation = load_task("convfinqa").example(row("convfinqa"))
    for example in (finqa, conversation):
        assert example.document.startswith("fees of quorvane")
        assert "Question" not in example.document
        assert example.cluster == example.document


ROOT = Path(__file__).parents[2]
CLAIMS = ROOT / "data/reference/claims.yaml"


@pytest.fixture
def speeches(tmp_path: Path) -> Iterator[None]:
    with own_task(tmp_path / "own"):
        yield


@pytest.fixture
def raw() -> dict[str, Any]:
    found = copy.deepcopy(compose(ROOT / "conf", "smoke"))
    found["fetch"]["sources"]["speeches"] = make_source(("train.csv", "train"), ("test.csv", "test"))
    found["study"] |= {"name": "speeches", "targets": ["speeches"]}
    found["study"]["tasks"] += ["speeches"]
    found["study"]["evaluations"] += ["speeches"]
    found["mix"]["caps"]["speeches"] = 8
    return found


@pytest.mark.parametrize("name", task_names())
def test_what_is_read_of_a_file_is_what_the_task_says(name: str) -> None:
    task = load_task(name)
    assert task_facts(name) == TaskFacts(task.groups, task.trains, task.evaluates)


def test_general_tasks_are_those_that_say_so() -> None:
    assert general_tasks() == ["financebench", "gsm8k", "knowledge"]


@pytest.mark.usefixtures("speeches")
def test_an_own_task_is_a_target_with_verdict_rows(raw: dict[str, Any]) -> None:
    params = check_params(raw, where="own")
    assert params.study.targets == ["speeches"]
    tests = [claim.test for claim in read_claims(CLAIMS)]
    finance = [test for test in tests if isinstance(test, ContrastTest) and test.tasks == "finance"]
    assert finance and all("speeches" in tasks_of(test, params.study.evaluations) for test in finance)
    assert "speeches in study.targets" not in lacking(read_claims(CLAIMS), params)


@pytest.mark.usefixtures("speeches")
def test_an_own_task_says_nothing_of_studies_without_its_source() -> None:
    params = check_params(compose(ROOT / "conf", "smoke"), where="smoke")
    tests = [claim.test for claim in read_claims(CLAIMS)]
    finance = next(test for test in tests if isinstance(test, ContrastTest) and test.tasks == "finance")
    assert len(all_tasks_of(finance, params.fetch.sources)) == 7
    assert not any("speeches" in need for need in lacking(read_claims(CLAIMS), params))


@pytest.mark.usefixtures("speeches")
@pytest.mark.parametrize(
    ("section", "told"),
    [
        ("evaluations", "target 'speeches' is trained and evaluated: add it to study.evaluations"),
        ("tasks", "target 'speeches' is trained and evaluated: add it to study.tasks"),
    ],
)
def test_a_target_that_the_study_lacks_says_where_to_add_it(
    raw: dict[str, Any], section: str, told: str
) -> None:
    raw["study"][section].remove("speeches")
    with pytest.raises(ConfigError, match=told):
        check_params(raw, where="own")


def test_a_general_set_is_no_target(raw: dict[str, Any]) -> None:
    raw["study"] |= {"targets": ["knowledge"]}
    with pytest.raises(ConfigError, match="target 'knowledge' is of group general, which is not trained on"):
        check_params(raw, where="own")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (TEXT.replace('("finance",),', "GROUPS,"), "write groups, trains, evaluates out"),
        (TEXT.replace("TASK =", "OTHER ="), r"ends in TASK = Task\(\.\.\.\)"),
        (TEXT + "\n(", "no Python"),
    ],
)
def test_a_file_that_cannot_be_read_so_is_a_clear_error(tmp_path: Path, text: str, told: str) -> None:
    with own_task(tmp_path / "own", text=text), pytest.raises(ConfigError, match=told) as error:
        general_tasks()
    assert "speeches.py" in str(error.value)
