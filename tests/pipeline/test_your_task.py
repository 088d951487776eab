"""docs/your-task.md, line by line, on invented rows: scores, verdict rows and advice, with no edit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from clone import ROOT, Clone, copy_work_tree
from own_task import own_rows, write_csv
from shown_commands import lines_of

from cocktail.files.records import read_json

PAGE = ROOT / "docs/your-task.md"
LINES = [line.text for line in lines_of(PAGE.name, PAGE.read_text(encoding="utf-8"))]


@pytest.fixture(scope="module")
def clone(finished_smoke: Path, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """The work tree with the rows; the study's base is that of study smoke, in the store already."""
    made = copy_work_tree(tmp_path_factory.mktemp("own"))
    shutil.copytree(finished_smoke / ".store/bases", made.root / ".store/bases")
    write_csv(made.root / "minutes.csv", own_rows())
    return made


def edit_study(clone: Clone) -> None:
    """As the page says, change what the study holds: a quarter of the rows, so that it takes a minute."""
    study = clone.root / "conf/study/minutes.yaml"
    text = study.read_text(encoding="utf-8")
    assert text.count(": 160") == 3, text
    study.write_text(text.replace(": 160", ": 40"), encoding="utf-8")


@pytest.mark.slow
def test_the_page_leads_from_a_file_to_verdicts_and_advice(clone: Clone) -> None:
    new = clone.done("sh", "-ec", LINES[0])
    edit_study(clone)
    run, table, show, advice = (clone.done("sh", "-ec", line) for line in LINES[1:])
    assert new.count("--- prompt ") == 3
    assert "study minutes: " in run and "minutes on" in run
    assert "Task minutes in study minutes." in show
    assert "| phi3_smoke | minutes |" in table
    assert "minutes" in advice
    claims = read_json(clone.root / "reports/claims.json")["claims"]
    rows = [row for claim in claims for row in claim["verdicts"] if row["scope"].startswith("minutes")]
    assert rows, "no verdict row is of the own task"
    touched = clone.done("git", "status", "--porcelain", "--", "src", "data", "conf", "tests").split("\n")
    assert sorted(filter(None, touched)) == [
        "?? conf/study/minutes.yaml",
        "?? src/cocktail/tasks/minutes.py",
        "?? tests/golden/minutes.json",
    ]


TESTS = (
    "tests/golden/test_golden.py",
    "tests/docs/test_params.py",
    "tests/docs/test_dvc_yaml.py",
    "tests/unit/test_tasks.py",
    "tests/unit/test_plan.py::test_every_study_can_be_planned",
)


@pytest.mark.slow
def test_what_was_written_breaks_no_test(clone: Clone, tmp_path: Path) -> None:
    if not (clone.root / "conf/study/minutes.yaml").is_file():
        clone.done("sh", "-ec", LINES[0])
    # In a folder of its own: when it ends, pytest clears away the folders of older runs, which takes minutes.
    apart = ("--basetemp", str(tmp_path / "within"), "-k", "not test_params_are_the_composition")
    clone.done("python", "-m", "pytest", "-q", *apart, *TESTS)
