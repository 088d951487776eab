"""``cocktail new-task``: columns and labels are told, or refused with the cure; all files or none."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from own_task import NAMES, own_rows, write_csv

import cocktail.tasks
from cocktail import cli
from cocktail.config import check_params
from cocktail.config.compose import compose
from cocktail.data.prepare import prepare
from cocktail.errors import DataError, SourceError
from cocktail.files.records import read_json, write_text
from cocktail.sources import hub
from cocktail.sources.fetch import fetch_sources
from cocktail.studies.new_task.columns import Columns, find_columns, label_names, parse_names
from cocktail.studies.new_task.make import all_or_none
from cocktail.studies.new_task.read import read_given, split_rows
from cocktail.tasks import load_task, task_groups

ROOT = Path(__file__).parents[2]
WRITTEN = (
    *("conf/study/minutes.yaml", "data/own/minutes/test.jsonl", "data/own/minutes/train.jsonl"),
    *("src/cocktail/tasks/minutes.py", "tests/golden/minutes.json"),
)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A repository as far as new-task needs it, whose tasks the package finds; the current folder."""
    for name in ("conf", "data/reference", "reports/benchmarks"):
        shutil.copytree(ROOT / name, tmp_path / name)
    own = tmp_path / "src/cocktail/tasks"
    own.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    cocktail.tasks.__path__.append(str(own))
    task_groups.cache_clear()
    yield tmp_path
    cocktail.tasks.__path__.remove(str(own))
    sys.modules.pop("cocktail.tasks.minutes", None)
    task_groups.cache_clear()


def new_task(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["cocktail", "new-task", "minutes", *words])
    cli.main()


def files(root: Path) -> set[str]:
    return {name for name in WRITTEN if (root / name).exists()}


@pytest.mark.slow
def test_a_csv_becomes_a_task_a_source_a_golden_file_and_a_study(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_csv(root / "minutes.csv", own_rows())
    new_task(monkeypatch, "--data", "minutes.csv", "--names", NAMES)
    said = capsys.readouterr().out
    assert files(root) == {*WRITTEN}
    assert said.count("--- prompt ") == 3
    assert "Which label fits this text: hawkish, dovish or neutral?" in said
    assert "Answer in one word (hawkish, dovish or neutral)." in said
    assert "labels of train, as given: " in said
    assert "rows: 400 given; kept: " in said
    assert "left out: none; stage prepare leaves out " in said
    assert "a mixture holds 160 of your " in said and "mix.caps in conf/study/minutes.yaml" in said
    assert "study minutes: " in said and "M tokens" in said and "minutes on" in said
    assert "dvc exp run -S study=minutes" in said and "cocktail advise --target minutes" in said

    params = check_params(compose(root / "conf", "minutes"), where="minutes")
    assert (params.study.name, params.study.targets) == ("minutes", ["minutes"])
    assert {"minutes", "fpb", "twitter_sa"} <= params.mix.caps.keys()
    assert params.fetch.backend_of("minutes") == "folder"
    fetch_sources(root / "raw", params.fetch, params.sources())
    prepare(root / "raw", root / "prepared", params=params)
    facts = read_json(root / "prepared/tasks.json")["minutes"]
    assert (facts["trains"], facts["evaluates"]) == (True, True)
    assert facts["labels"] == ["hawkish", "dovish", "neutral"]

    golden = read_json(root / "tests/golden/minutes.json")
    texts = {row["sentence"] for row in own_rows()}
    assert golden["row"]["sentence"] not in texts  # no row of the data enters the repository
    assert golden["scores"][0] == {"answer": "hawkish", "strict": "ok", "lenient": "ok"}
    assert load_task("minutes").asked(golden["row"]).answer == "hawkish"


def test_nothing_is_overwritten(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_csv(root / "minutes.csv", own_rows())
    new_task(monkeypatch, "--data", "minutes.csv", "--names", NAMES)
    before = {name: (root / name).read_bytes() for name in WRITTEN}
    with pytest.raises(SystemExit):
        new_task(monkeypatch, "--data", "minutes.csv", "--names", NAMES)
    assert "'minutes' is there already; nothing is overwritten" in capsys.readouterr().err
    assert before == {name: (root / name).read_bytes() for name in WRITTEN}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), '--names "0=...,1=...,2=..."'),
        (("--names", NAMES, "--cluster", "year"), "--cluster year: 15 values for 400 rows"),
        (("--names", NAMES, "--text", "sentense"), "--text: no column 'sentense'; did you mean 'sentence'?"),
        (("--names", "9=x"), "--names: no label '9'"),
        (("--names", "hawkish"), "'hawkish' is no value=name"),
        (("--names", NAMES, "--model", "smolm2_135m"), "did you mean 'smollm2_135m'?"),
        (("--names", NAMES, "--partners", "fbp"), "no task 'fbp' to mix; did you mean 'fpb'?"),
    ],
)
def test_what_is_refused_leaves_nothing_and_says_the_cure(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    told: str,
) -> None:
    write_csv(root / "minutes.csv", own_rows())
    with pytest.raises(SystemExit):
        new_task(monkeypatch, "--data", "minutes.csv", *words)
    assert told in capsys.readouterr().err
    assert files(root) == set()


def test_a_rule_that_takes_most_rows_leaves_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Train and test files that are the same: all train rows leak."""
    write_csv(root / "minutes.csv", own_rows())
    words = ("--data", "minutes.csv", "--test", "minutes.csv", "--names", NAMES)
    with pytest.raises(SystemExit):
        new_task(monkeypatch, *words)
    said = capsys.readouterr().err
    assert "minutes: 400 of 400 train rows are taken away (exact)" in said
    assert "two different files" in said and "example() reads --text sentence, --label label" in said
    assert ".py" not in said
    assert files(root) == set()


def test_a_command_that_is_stopped_leaves_nothing_but_what_is_not_its_own(tmp_path: Path) -> None:
    mine, written = tmp_path / "own/mine.csv", [tmp_path / "own/train.jsonl", tmp_path / "study.yaml"]
    for stop in (KeyboardInterrupt, DataError("refused")):
        with pytest.raises((KeyboardInterrupt, DataError)), all_or_none(written):
            for path in written:
                write_text(path, "half")
            mine.touch()
            raise stop
        assert sorted(path.name for path in tmp_path.rglob("*")) == ["mine.csv", "own"]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_three_kinds_of_files_give_the_same_rows(tmp_path: Path, ending: str) -> None:
    rows, path = own_rows(60), tmp_path / f"rows.{ending}"
    if ending == "csv":
        write_csv(path, rows)
    elif ending == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        pd.DataFrame(rows).to_parquet(path)
    given = read_given(str(path), None)
    assert [row["sentence"] for row in given.train] == [row["sentence"] for row in rows]
    assert {str(row["label"]) for row in given.train} == {"0", "1", "2"}


def test_a_missing_file_offers_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "minutes.csv").write_text("a\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"no such file; did you mean 'minutes\.csv'"):
        read_given(str(tmp_path / "minute.csv"), None)
    with pytest.raises(DataError, match=r"no such file; did you mean 'minutes\.csv'") as caught:
        read_given(str(tmp_path / "minutes.csv"), tmp_path / "minute.csv")
    assert caught.value.fix.startswith("--test FILE")


@pytest.mark.parametrize(("mark", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_a_csv_with_other_separators_is_named(tmp_path: Path, mark: str, name: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"text{mark}label\nUp, then down{mark}1\n", encoding="utf-8")
    with pytest.raises(DataError, match=f"separated by {name}"):
        read_given(str(path), None)
    path.write_text(f'"text{mark}of it",label\nUp,1\n', encoding="utf-8")
    assert read_given(str(path), None).train == [{f"text{mark}of it": "Up", "label": "1"}]


def test_text_and_label_are_guessed() -> None:
    assert find_columns(own_rows(60), where="x") == Columns("sentence", "label")
    rows = [{"a": f"text {n}", "b": n % 2, "c": n % 3} for n in range(60)]
    with pytest.raises(DataError, match="no column is plainly the label; columns with few values: b, c"):
        find_columns(rows, where="x")


def test_a_text_may_be_missing_and_is_the_text_all_the_same() -> None:
    rows = [*own_rows(60), {"index": 61, "year": 2001, "sentence": None, "label": 1}]
    assert find_columns(rows, where="x").text == "sentence"


def named(values: list[Any], names: str = "") -> dict[str, str]:
    return label_names([{"label": value} for value in values], "label", parse_names(names), where="x")


def test_a_person_is_asked_what_numbers_are_called() -> None:
    rows, called = [{"label": number} for number in (0, 1, 1)], {"0": "down", "1": "up"}
    assert label_names(rows, "label", {}, where="x", ask=called.__getitem__) == called
    with pytest.raises(DataError, match="the labels are numbers"):
        label_names(rows, "label", {}, where="x", ask=lambda value: "")


def test_labels_keep_the_order_of_their_names_and_one_spelling() -> None:
    assert named([1, 0, 2], NAMES) == {"0": "hawkish", "1": "dovish", "2": "neutral"}
    assert named(["Up", "up ", "down"]) == {"Up": "Up", "down": "down", "up": "Up"}


def test_the_most_frequent_spelling_stays_unless_a_name_was_given() -> None:
    values = ["MOTOR"] + ["motor"] * 9 + ["Motor"] * 3 + ["theft"] * 5
    assert set(named(values).values()) == {"motor", "theft"}
    assert set(named(values, "MOTOR=Motor").values()) == {"Motor", "theft"}


def test_labels_that_differ_by_a_letter_are_refused_with_all_that_mends_them() -> None:
    values = (
        ["motor"] * 9 + ["moter", "Moter", "motors"] + ["water damage"] * 9 + ["water-damage"] + ["fire"] * 4
    )
    with pytest.raises(DataError, match=r"labels differ by a letter \(.*moter.*\)") as caught:
        named(values, "fire=blaze")
    assert len(caught.value.fix.split('"')) == 3
    said = caught.value.fix.split('"')[1]
    assert said == "fire=blaze,moter=motor,motors=motor,water-damage=water damage"
    assert set(named(values, said).values()) == {"motor", "water damage", "blaze"}


def test_labels_that_an_option_cannot_hold_are_mended_in_the_file() -> None:
    with pytest.raises(DataError, match="differ by a letter") as caught:
        named(["fire, theft"] * 5 + ["fire; theft"] + ["water"] * 5)
    assert caught.value.fix.startswith("mend the file")


def test_a_column_of_numbers_of_rows_is_no_label() -> None:
    with pytest.raises(DataError, match="800 different labels"):
        named([f"note {number:04}" for number in range(800)])


def test_rows_without_text_are_refused_in_words_of_the_command(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row | {"sentence": ""} if place % 8 == 0 else row for place, row in enumerate(own_rows())]
    write_csv(root / "minutes.csv", rows)
    with pytest.raises(SystemExit):
        new_task(monkeypatch, "--data", "minutes.csv", "--names", NAMES)
    said = capsys.readouterr().err
    assert "rows are bad" in said and "the rows of --data and --test" in said and "data/own" not in said
    assert files(root) == set()


def test_rows_of_a_cluster_stay_together_whatever_their_order() -> None:
    rows = [{"text": f"t{n}", "doc": f"d{n // 4}"} for n in range(400)]
    train, test = split_rows(list(rows), text="text", cluster="doc")
    assert not {row["doc"] for row in train} & {row["doc"] for row in test}
    assert 40 < len(test) < 120
    again = split_rows(rows[::-1], text="text", cluster="doc")[1]
    assert sorted(row["text"] for row in again) == sorted(row["text"] for row in test)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "cap"), [("phi3_smoke", 160), ("smollm2_135m", 40)])
def test_every_source_has_a_cap_that_fits_the_model(
    root: Path, monkeypatch: pytest.MonkeyPatch, model: str, cap: int
) -> None:
    write_csv(root / "minutes.csv", own_rows())
    new_task(monkeypatch, "--data", "minutes.csv", "--names", NAMES, "--model", model)
    params = check_params(compose(root / "conf", "minutes"), where="minutes")
    assert [params.mix.caps[task] for task in ("minutes", "fpb", "twitter_sa")] == [cap] * 3


def test_a_data_set_of_the_hub_is_read_by_the_names_of_its_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """README and other files are left alone; rows of several train files are joined."""
    rows = own_rows(90)

    def copy(source: Any, path: str, target: Path, *, commit: str) -> None:
        part = rows[:60] if "test" not in path else rows[60:]
        target.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(part).to_parquet(target)

    listed = ["README.md", "data/train-0.parquet", "data/train-1.parquet", "data/test-0.parquet", "x.csv"]
    monkeypatch.setattr(hub, "resolve_commit", lambda source: "0" * 40)
    monkeypatch.setattr(hub, "list_files", lambda source, commit: listed)
    monkeypatch.setattr(hub, "copy_file", copy)
    given = read_given("my-org/minutes", None)
    assert (len(given.train), len(given.test or [])) == (120, 30)
    assert given.origin == f"{hub.PAGE}my-org/minutes at {'0' * 40}"
    listed[1:4] = []
    with pytest.raises(SourceError, match=r"no file of the data set has train in its name: x\.csv"):
        read_given("my-org/minutes", None)
