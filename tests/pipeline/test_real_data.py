"""Real raw files go through fetch, prepare and mix; the counts are those known of the files.

Known beforehand, from counting the files by other means: rows of each part, tweets with line breaks inside
(184 + 43), tweets with HTML entities (518 + 113), sentences of the phrase bank with two labels, and that
every page of ConvFinQA's dev part is a page of FinQA's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cocktail.config import Params, check_params
from cocktail.config.compose import compose
from cocktail.data.grid import explore_runs
from cocktail.data.mixture import draw_all
from cocktail.data.prepare import prepare
from cocktail.data.table import read_split
from cocktail.files.records import read_json, read_table
from cocktail.sources.fetch import fetch_sources, verify_raw
from cocktail.sources.read import read_rows

pytestmark = pytest.mark.mirror
CONF = Path(__file__).parents[2] / "conf"

ROWS = {  # train, dev, test
    "headline": (82_161, 0, 20_547),
    "fpb": (3_878, 0, 968),
    "fin_ner_cls": (3_483, 0, 933),
    "finqa": (470, 65, 348),
    "convfinqa": (1_117, 0, 373),
    "twitter_topics": (16_990, 0, 4_117),
    "twitter_sa": (9_543, 0, 2_388),
    "orca_math": (7_473, 0, 0),
    "open_orca": (51_436, 0, 0),
    "financebench": (0, 0, 150),
    "gsm8k": (0, 0, 1_319),
}


@pytest.fixture(scope="module")
def params(mirror: Path) -> Params:
    real = ["source=mirror", f"fetch.mirror={mirror}", "prepare.dev_rows=150", "prepare.test_rows=1000"]
    whole = ["study.include=[single,pair,without,all]", "mix.caps.finqa=500"]
    raw = compose(CONF, "tiny", [*real, *whole])
    return check_params(raw, where="conf")


@pytest.fixture(scope="module")
def folder(params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw and prepared data."""
    made = tmp_path_factory.mktemp("real")
    fetch_sources(made / "raw", params.fetch)
    prepare(made / "raw", made / "prepared", params=params)
    return made


@pytest.fixture(scope="module")
def report(folder: Path) -> Any:
    return read_json(folder / "prepared/report.json")


def test_every_file_is_the_expected_one(folder: Path, params: Params) -> None:
    verify_raw(folder / "raw", params.fetch)
    for name in params.fetch.sources:
        assert read_json(folder / "raw" / name / "receipt.json")["pinned"] is True


def test_every_row_is_read_and_none_is_bad(report: Any) -> None:
    found = {name: tuple(report[name]["rows_in"][part] for part in ("train", "dev", "test")) for name in ROWS}
    assert found == ROWS
    assert {report[name]["quarantined"] for name in ROWS} == {0}


def test_tweets_with_line_breaks_are_one_row_each(folder: Path) -> None:
    raw = folder / "raw/twitter_sa"
    broken = [
        sum("\n" in row["text"] for _, row in read_rows(raw / name) if isinstance(row, dict))
        for name in ("sent_train.csv", "sent_valid.csv")
    ]
    assert broken == [184, 43]


def test_cleaning_finds_what_is_known_of_the_sets(report: Any) -> None:
    assert report["twitter_topics"]["cleaning"]["html_entities"] == 518 + 113
    assert report["fpb"]["cleaning"]["conflicting_labels"] == 4  # two sentences, two labels each
    assert report["fpb"]["cleaning"]["duplicates"] <= 6


def test_every_test_row_is_kept(folder: Path, report: Any) -> None:
    """Up to the study's sample size."""
    for name, (_, _, test) in ROWS.items():
        assert report[name]["kept"]["test"] == min(test, 1_000)
        assert len(read_split(folder / "prepared", name, "test")) == min(test, 1_000)


def test_no_page_of_a_test_part_is_in_a_train_or_dev_part(folder: Path) -> None:
    parts: dict[str, pd.DataFrame] = {
        part: pd.concat([read_split(folder / "prepared", name, part) for name in ("finqa", "convfinqa")])
        for part in ("train", "dev", "test")
    }
    pages = {part: set(rows["document"]) for part, rows in parts.items()}
    assert not pages["test"] & (pages["train"] | pages["dev"])
    assert not pages["dev"] & pages["train"]
    assert "" not in pages["train"] | pages["dev"] | pages["test"]


def test_conversations_lose_the_rows_whose_page_is_tested_in_finqa(report: Any) -> None:
    assert report["convfinqa"]["leakage"]["document"] > 200
    assert report["twitter_topics"]["leakage"]["normalised"] >= 678  # so many test rows repeat a train text


def test_leaks_are_listed_as_often_as_they_are_counted(folder: Path, report: Any) -> None:
    leaks = read_table(folder / "prepared/leakage.parquet")
    counted = sum(
        count for task in report.values() for kind, count in task.get("leakage", {}).items() if kind != "dev"
    )
    assert len(leaks) == counted
    assert leaks["item"].is_unique


def test_the_whole_grid_can_be_drawn(folder: Path, params: Params) -> None:
    mixtures = draw_all(explore_runs(params), params=params, prepared=folder / "prepared")
    assert len(mixtures) == 55
    everything = mixtures["all"]
    assert everything.asked["finqa"] == 500 > everything.got["finqa"]  # the set is partial, and it shows
    finance = sum(everything.got.values()) - everything.got["open_orca"] - everything.got["orca_math"]
    assert everything.got["open_orca"] == finance
