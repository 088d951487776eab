"""CONTRIBUTING's new task, taken from its text: one file and one line, from raw file to score."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from data_params import make_params, make_source, write_lines

import cocktail.tasks
from cocktail.data.grid import explore_runs
from cocktail.data.mixture import draw_all
from cocktail.data.prepare import prepare
from cocktail.data.table import read_split
from cocktail.errors import ConfigError
from cocktail.files.records import read_json
from cocktail.scoring.outcome import Tolerance, judge
from cocktail.sources.fetch import fetch_sources

TEXT = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
SECTION = TEXT.partition("## A new task")[2].partition("\n## ")[0]
NAME = "loan_tone"


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)
    assert found, f"CONTRIBUTING.md shows no {language} under 'A new task'"
    return found[1]


@pytest.fixture
def new_file(tmp_path: Path) -> Iterator[None]:
    """The file of CONTRIBUTING among the modules of ``cocktail.tasks``."""
    folder = tmp_path / "tasks"
    write_lines(folder / f"{NAME}.py", block("python"))
    cocktail.tasks.__path__.append(str(folder))
    yield
    cocktail.tasks.__path__.remove(str(folder))
    sys.modules.pop(f"cocktail.tasks.{NAME}", None)


def params_with_the_line(mirror: Path) -> Any:
    line = yaml.safe_load(block("yaml"))
    assert list(line) == [NAME]
    empty = {name: make_source() for name in make_params().fetch.sources}
    chosen = {"tasks": ["fpb", NAME], "evaluations": ["fpb", NAME], "targets": ["fpb"]}
    return make_params(
        study=chosen,
        fetch={"backend": "mirror", "mirror": str(mirror), "sources": empty | line},
        mix={"caps": {"fpb": 5, NAME: 5}},
    )


@pytest.mark.usefixtures("new_file")
def test_one_file_and_one_line_are_a_task(tmp_path: Path) -> None:
    folder = tmp_path / "mirror/my-org/loan-letters"
    letters = [{"letter": f"Letter {number}.", "tone": "stern"} for number in range(20)]
    write_lines(folder / "train.jsonl", *map(json.dumps, letters))
    write_lines(folder / "test.jsonl", json.dumps({"letter": "Letter 3.", "tone": "Friendly"}))
    params = params_with_the_line(tmp_path / "mirror")
    fetch_sources(tmp_path / "raw", params.fetch)
    prepare(tmp_path / "raw", tmp_path / "prepared", params=params)
    task = read_json(tmp_path / "prepared/tasks.json")[NAME]
    assert (task["trains"], task["evaluates"]) == (True, True)
    report = read_json(tmp_path / "prepared/report.json")[NAME]
    assert report["leakage"]["exact"] == 1
    assert report["kept"] == {"train": 16, "dev": 3, "test": 1}

    runs = [run for run in explore_runs(params) if run.sources == (NAME,)]
    (mixture,) = draw_all(runs, params=params, prepared=tmp_path / "prepared").values()
    assert mixture.got == {NAME: 5}
    gold = read_split(tmp_path / "prepared", NAME, "test")["gold"][0]
    outcome = judge(
        "The tone is friendly.",
        gold,
        kind=task["kind"],
        labels=tuple(task["labels"]),
        tolerance=Tolerance(relative=0.0, absolute=0.0),
    )
    assert (outcome.strict, outcome.lenient) == ("invalid", "ok")


def test_without_the_file_the_name_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"unknown task '{NAME}'"):
        params_with_the_line(tmp_path)
