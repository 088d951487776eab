"""Any task that is trained and evaluated can be a target, with verdict rows; nothing lists the tasks."""

from __future__ import annotations

import copy
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
from cocktail.tasks import load_task

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
