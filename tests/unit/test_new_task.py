"""CONTRIBUTING's new task, taken from its text: one file and one line, from raw file to score.

What a newcomer gets wrong is told early, in one message, with the line that mends it.
"""

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
from own_task import TEXT, own_task

import cocktail.tasks
from cocktail.config import Params
from cocktail.config.compose import compose
from cocktail.data.grid import explore_runs
from cocktail.data.mixture import draw_all
from cocktail.data.prepare import prepare
from cocktail.data.table import read_split
from cocktail.errors import ConfigError, DataError
from cocktail.files.records import read_json
from cocktail.scoring.outcome import Tolerance, judge
from cocktail.sources.fetch import fetch_sources

CONTRIBUTING = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
SECTION = CONTRIBUTING.partition("## A new task")[2].partition("\n## ")[0]
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


ROOT = Path(__file__).parents[2]
Rows = list[dict[str, Any]]


@pytest.fixture
def speeches(tmp_path: Path) -> Iterator[None]:
    with own_task(tmp_path / "own"):
        yield


def params(**config: Any) -> Params:
    sources = {
        "filler": make_source(),
        "speeches": make_source(("train.jsonl", "train"), ("test.jsonl", "test")),
    }
    chosen = {"tasks": ["speeches"], "evaluations": ["speeches"], "targets": ["speeches"]}
    return make_params(study=chosen, fetch={"backend": "mirror", "sources": sources}, prepare=config)


def prepared(folder: Path, rows: Rows, test: Rows | None = None, **config: Any) -> None:
    write_lines(folder / "raw/speeches/train.jsonl", *map(json.dumps, rows))
    write_lines(folder / "raw/speeches/test.jsonl", *map(json.dumps, test or rows[:1]))
    prepare(folder / "raw", folder / "prepared", params=params(**config))


def sentences(count: int, start: int = 0, label: Any = "hawkish") -> Rows:
    return [{"text": f"Sentence {number}.", "label": label} for number in range(start, start + count)]


def refused(folder: Path, rows: Rows, test: Rows | None = None) -> DataError:
    with pytest.raises(DataError) as caught:
        prepared(folder, rows, test)
    assert not (folder / "prepared").exists()
    return caught.value


@pytest.mark.usefixtures("speeches")
@pytest.mark.parametrize("number", [0, "0", 1])
def test_numbers_as_labels_name_the_helper_that_reads_them(tmp_path: Path, number: Any) -> None:
    error = refused(tmp_path, sentences(60, label=number))
    assert f"label holds '{number}' (60)" in error.what
    assert "label_at(row, 'label', LABELS), where 0 is 'hawkish', 1 is 'dovish'" in error.fix


@pytest.mark.usefixtures("speeches")
def test_a_number_without_a_label_is_named(tmp_path: Path) -> None:
    rows = [*sentences(30, label=0), *sentences(30, 30, label=2)]
    assert "2 has no label, so LABELS lacks some" in refused(tmp_path, rows).fix


@pytest.mark.usefixtures("speeches")
def test_another_spelling_is_shown_beside_the_labels(tmp_path: Path) -> None:
    error = refused(tmp_path, sentences(60, label="hawk"))
    assert "label holds 'hawk' (60)" in error.what
    assert "write LABELS as the file does, now 'hawkish', 'dovish'" in error.fix


@pytest.mark.usefixtures("speeches")
def test_a_cluster_that_takes_every_train_row_away_stops_prepare(tmp_path: Path) -> None:
    text = TEXT.replace("cluster=text", "cluster=text_of(row, 'year')")
    rows = [row | {"year": "2012"} for row in sentences(60)]
    (tmp_path / "own/speeches.py").write_text(text.replace('("text", "label")', '("text", "label", "year")'))
    error = refused(tmp_path, rows, [{"text": "Another.", "label": "dovish", "year": "2012"}])
    assert "speeches: 60 of 60 train rows are taken away (normalised)" in error.what
    assert "src/cocktail/tasks/speeches.py: example() gives the wrong `cluster`" in error.fix


@pytest.mark.usefixtures("speeches")
def test_a_cleaning_rule_that_takes_most_rows_stops_prepare(tmp_path: Path) -> None:
    rows = [{"text": "The same.", "label": "hawkish"} for _ in range(60)]
    error = refused(tmp_path, rows, [{"text": "Another.", "label": "dovish"}])
    assert "speeches: 59 of 60 train rows are taken away (duplicates)" in error.what
    assert "does example() read the column of the text?" in error.fix


@pytest.mark.usefixtures("speeches")
def test_it_may_be_meant(tmp_path: Path) -> None:
    rows = [{"text": f"Sentence {number % 20}.", "label": "hawkish"} for number in range(60)]
    other = [{"text": "Another.", "label": "dovish"}]
    assert "duplicates" in refused(tmp_path, rows, other).what
    prepared(tmp_path, rows, other, max_taken_share=0.9)
    assert (tmp_path / "prepared/report.json").is_file()


@pytest.mark.usefixtures("speeches")
def test_a_source_without_a_cap_external_with_one_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"mix\.caps lacks 'speeches'.*\+mix\.caps\.speeches=500"):
        make_params(
            study={"tasks": ["fpb", "speeches"], "evaluations": ["fpb", "speeches"], "targets": []},
            fetch={"sources": make_params().model_dump()["fetch"]["sources"] | {"speeches": make_source()}},
            mix={"caps": {"fpb": 5}},
        )


@pytest.mark.usefixtures("speeches")
@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("train.learning_rat=1", "train.learning_rat: unknown key; did you mean 'learning_rate'?"),
        ("trian.learning_rate=1", "trian: unknown key; did you mean 'train'?"),
        ("model=[phi3_tinny]", "no model 'phi3_tinny'; did you mean 'phi3_tiny'?"),
        ("source=miror", "no source 'miror'; did you mean 'mirror'?"),
        ("study.taks=[fpb]", "study.taks: unknown key; did you mean 'tasks'?"),
    ],
)
def test_a_name_that_differs_by_a_letter_is_told_and_not_hydras_plus(override: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compose(ROOT / "conf", "tiny", [override])
    assert caught.value.problems == (told,)
