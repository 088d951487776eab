"""What a newcomer gets wrong is told early, in one message, with the line that mends it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from data_params import make_params, make_source, write_lines
from own_task import TEXT, own_task

from cocktail.config import Params
from cocktail.config.compose import compose
from cocktail.data.prepare import prepare
from cocktail.errors import ConfigError, DataError

ROOT = Path(__file__).parents[2]
Rows = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def minutes(tmp_path: Path) -> Iterator[None]:
    with own_task(tmp_path / "own"):
        yield


def params(**config: Any) -> Params:
    sources = {
        "filler": make_source(),
        "minutes": make_source(("train.jsonl", "train"), ("test.jsonl", "test")),
    }
    chosen = {"tasks": ["minutes"], "evaluations": ["minutes"], "targets": ["minutes"]}
    return make_params(study=chosen, fetch={"backend": "mirror", "sources": sources}, prepare=config)


def prepared(folder: Path, rows: Rows, test: Rows | None = None, **config: Any) -> None:
    write_lines(folder / "raw/minutes/train.jsonl", *map(json.dumps, rows))
    write_lines(folder / "raw/minutes/test.jsonl", *map(json.dumps, test or rows[:1]))
    prepare(folder / "raw", folder / "prepared", params=params(**config))


def sentences(count: int, start: int = 0, label: Any = "hawkish") -> Rows:
    return [{"text": f"Sentence {number}.", "label": label} for number in range(start, start + count)]


def refused(folder: Path, rows: Rows, test: Rows | None = None) -> DataError:
    with pytest.raises(DataError) as caught:
        prepared(folder, rows, test)
    assert not (folder / "prepared").exists()
    return caught.value


@pytest.mark.parametrize("number", [0, "0", 1])
def test_numbers_as_labels_name_the_helper_that_reads_them(tmp_path: Path, number: Any) -> None:
    error = refused(tmp_path, sentences(60, label=number))
    assert f"label holds '{number}' (60)" in error.what
    assert "label_at(row, 'label', LABELS), where 0 is 'hawkish', 1 is 'dovish'" in error.fix


def test_a_number_without_a_label_is_named(tmp_path: Path) -> None:
    rows = [*sentences(30, label=0), *sentences(30, 30, label=2)]
    assert "2 has no label, so LABELS lacks some" in refused(tmp_path, rows).fix


def test_another_spelling_is_shown_beside_the_labels(tmp_path: Path) -> None:
    error = refused(tmp_path, sentences(60, label="hawk"))
    assert "label holds 'hawk' (60)" in error.what
    assert "write LABELS as the file does, now 'hawkish', 'dovish'" in error.fix


def test_a_cluster_that_takes_every_train_row_away_stops_prepare(tmp_path: Path) -> None:
    text = TEXT.replace("cluster=text", "cluster=text_of(row, 'year')")
    rows = [row | {"year": "2012"} for row in sentences(60)]
    (tmp_path / "own/minutes.py").write_text(text.replace('("text", "label")', '("text", "label", "year")'))
    error = refused(tmp_path, rows, [{"text": "Another.", "label": "dovish", "year": "2012"}])
    assert "minutes: 60 of 60 train rows are taken away (normalised)" in error.what
    assert "src/cocktail/tasks/minutes.py: example() gives the wrong `cluster`" in error.fix


def test_a_cleaning_rule_that_takes_most_rows_stops_prepare(tmp_path: Path) -> None:
    rows = [{"text": "The same.", "label": "hawkish"} for _ in range(60)]
    error = refused(tmp_path, rows, [{"text": "Another.", "label": "dovish"}])
    assert "minutes: 59 of 60 train rows are taken away (duplicates)" in error.what
    assert "does example() read the column of the text?" in error.fix


def test_it_may_be_meant(tmp_path: Path) -> None:
    rows = [{"text": f"Sentence {number % 20}.", "label": "hawkish"} for number in range(60)]
    other = [{"text": "Another.", "label": "dovish"}]
    assert "duplicates" in refused(tmp_path, rows, other).what
    prepared(tmp_path, rows, other, max_taken_share=0.9)
    assert (tmp_path / "prepared/report.json").is_file()


def test_a_source_without_a_cap_beside_others_with_one_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"mix\.caps lacks 'minutes'.*\+mix\.caps\.minutes=500"):
        make_params(
            study={"tasks": ["fpb", "minutes"], "evaluations": ["fpb", "minutes"], "targets": []},
            fetch={"sources": make_params().model_dump()["fetch"]["sources"] | {"minutes": make_source()}},
            mix={"caps": {"fpb": 5}},
        )


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
