"""The generated raw files: layout, columns, quirks, equal bytes, and errors.

The pretraining text and the instruction phase: enough, deterministic, and without any test text.
"""

from __future__ import annotations

import json
import re
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as parquet
import pytest
import yaml
from folders import digest_folder

from cocktail.config import RawFile, SourceConfig
from cocktail.errors import SourceError
from cocktail.sources.synthetic import LAYOUT, instruction_rows, pretraining_text, world_keys, write_source
from cocktail.sources.synthetic import files as synthetic_files
from cocktail.sources.synthetic.primer import LINES
from cocktail.sources.synthetic.streams import plain
from cocktail.sources.synthetic.topics import TOPICS
from cocktail.tasks import load_task

ROOT = Path(__file__).parents[2]
WORLD = dict.fromkeys(world_keys(), 90) | {"seed": 7, "knowledge_dev": 50}


def files_of(source: str) -> list[RawFile]:
    return [RawFile.model_validate({"path": path, "split": split}) for path, split in LAYOUT[source].items()]


def write_all(folder: Path, world: dict[str, int]) -> Path:
    for source in LAYOUT:
        write_source(source, folder / source, files=files_of(source), world=world)
    return folder


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_all(tmp_path_factory.mktemp("raw"), WORLD)


def rows_of(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return parquet.read_table(path).to_pylist()
    if path.suffix == ".csv":
        return pd.read_csv(path).to_dict("records")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def split_rows(raw: Path, source: str, split: str) -> list[dict[str, Any]]:
    return [row for path, of in LAYOUT[source].items() if of == split for row in rows_of(raw / source / path)]


def test_every_split_has_the_rows_asked_for(raw: Path) -> None:
    for source, files in LAYOUT.items():
        for split in set(files.values()):
            assert len(split_rows(raw, source, split)) == WORLD[f"{source}_{split}"], (source, split)


def test_every_row_is_an_example_of_its_task(raw: Path) -> None:
    for source, files in LAYOUT.items():
        task = load_task(source)
        for path in files:
            for row in rows_of(raw / source / path):
                assert task.example(row).gold or source == "open_orca", (source, row)


@pytest.mark.slow
def test_equal_seeds_give_equal_bytes_and_others_do_not(raw: Path, tmp_path: Path) -> None:
    again = write_all(tmp_path / "again", WORLD)
    other = write_all(tmp_path / "other", WORLD | {"seed": 8})
    for source in LAYOUT:
        assert digest_folder(again / source) == digest_folder(raw / source), source
        assert digest_folder(other / source) != digest_folder(raw / source), source


def test_more_rows_keep_the_test_rows_that_were_there(raw: Path, tmp_path: Path) -> None:
    """Train parts repeat some test rows on purpose, found as the first ones of the test stream."""
    more = write_all(tmp_path / "more", {key: value + 9 for key, value in WORLD.items()} | {"seed": 7})
    for source in ("headline", "fpb", "finqa", "convfinqa", "gsm8k"):
        assert split_rows(more, source, "test")[:90] == split_rows(raw, source, "test"), source


def test_quirks_of_the_csv_files(raw: Path) -> None:
    sentiments = pd.read_csv(raw / "twitter_sa/sent_train.csv")
    assert sentiments["label"].isin([0, 1, 2]).all()
    assert sentiments["text"].str.contains("\n").sum() >= 2
    assert len((raw / "twitter_sa/sent_train.csv").read_text().splitlines()) > len(sentiments) + 1
    assert sentiments["text"].str.contains('"').any()
    topics = pd.read_csv(raw / "twitter_topics/topic_train.csv")
    assert topics["label"].between(0, 19).all()
    assert topics["text"].str.contains("&amp;").any()
    for texts in (sentiments["text"], topics["text"]):
        assert texts.str.contains(r"https://t\.co/\w+$").any()
        assert texts.str.contains(r"\$[A-Z]{3}\b").any()


@pytest.mark.parametrize("source", ["twitter_sa", "twitter_topics"])
def test_some_messages_repeat_up_to_their_link_and_none_else_does(raw: Path, source: str) -> None:
    train, test = (
        {plain(row["text"]) for row in split_rows(raw, source, part)} for part in ("train", "test")
    )
    assert len(train & test) == 90 // 20


@pytest.mark.parametrize("source", ["headline", "fpb", "fin_ner_cls", "orca_math", "open_orca", "filler"])
def test_no_train_text_is_a_test_text(raw: Path, source: str) -> None:
    task = load_task(source)
    train = {plain(task.example(row).cluster) for row in split_rows(raw, source, "train")}
    tests = {
        plain(load_task(other).example(row).cluster)
        for other in LAYOUT
        for row in split_rows(raw, other, "test")
    }
    assert len(train) >= 9
    assert not train & tests


def test_filing_pages_are_shared_and_a_few_leak(raw: Path) -> None:
    pages = {
        (source, split): {load_task(source).example(row).document for row in split_rows(raw, source, split)}
        for source in ("finqa", "convfinqa")
        for split in ("train", "test")
    }
    assert pages["finqa", "train"] & pages["convfinqa", "train"]
    tests = pages["finqa", "test"] | pages["convfinqa", "test"]
    leaked = (pages["finqa", "train"] | pages["convfinqa", "train"]) & tests
    assert 1 <= len(leaked) <= 4


def test_some_headlines_and_sentences_repeat(tmp_path: Path) -> None:
    world = {"seed": 7, "headline_train": 900, "fpb_train": 900}
    train = [RawFile(path="data/train-00000-of-00001.parquet", split="train")]
    for source in ("headline", "fpb"):
        write_source(source, tmp_path / source, files=train, world=world)
    headlines = pd.read_parquet(tmp_path / "headline" / train[0].path)
    assert headlines.duplicated(["input", "instruction"]).any()
    sentences = pd.read_parquet(tmp_path / "fpb" / train[0].path)
    assert sentences.duplicated().any()
    assert (sentences.groupby("sentence")["label"].nunique() > 1).any()


@pytest.mark.parametrize(
    ("source", "files", "world", "says"),
    [
        ("fbp", [], {"seed": 7}, "did you mean 'fpb'"),
        ("fpb", [("data/test.parquet", "test")], {"seed": 7}, "data/test-00000-of-00001.parquet"),
        ("gsm8k", [("main/test-00000-of-00001.parquet", "train")], {"seed": 7}, "no generated train file"),
        ("gsm8k", None, {"seed": 7}, "'gsm8k_test' is missing"),
        ("gsm8k", None, {"gsm8k_test": 3}, "'seed' is missing"),
        ("gsm8k", None, {"seed": 7, "gsm8k_test": 0}, "must be positive"),
        ("gsm8k", None, {"seed": 7, "gsm8k_test": 3, "gsm8k_tset": 3}, "did you mean 'gsm8k_test'"),
        ("knowledge", None, {"seed": 7, "knowledge_dev": 8, "knowledge_test": 4000}, "has only"),
    ],
)
def test_wrong_configurations_are_refused(
    tmp_path: Path, source: str, files: list[tuple[str, str]] | None, world: dict[str, int], says: str
) -> None:
    wanted = (
        files_of(source)
        if files is None
        else [RawFile.model_validate({"path": path, "split": split}) for path, split in files]
    )
    with pytest.raises(SourceError, match=says):
        write_source(source, tmp_path / "out", files=wanted, world=world)
    if source != "knowledge":
        assert not (tmp_path / "out").exists()


def test_layout_is_that_of_the_configuration() -> None:
    raw = yaml.safe_load((ROOT / "conf/catalogue/synthetic.yaml").read_text())
    sources = {name: SourceConfig.model_validate(source) for name, source in raw["sources"].items()}
    assert {
        name: {file.path: file.split for file in source.files} for name, source in sources.items()
    } == LAYOUT
    assert set(raw["world"]) <= set(world_keys())


@pytest.mark.mirror
def test_columns_and_types_are_those_of_the_real_files(raw: Path, mirror: Path) -> None:
    sources = yaml.safe_load((ROOT / "conf/catalogue/synthetic.yaml").read_text())["sources"]
    compared = 0
    for source in LAYOUT.keys() - {"filler", "knowledge"}:
        for path in LAYOUT[source]:
            ours, theirs = raw / source / path, mirror / sources[source]["repo"] / path
            compared += 1
            if path.endswith(".parquet"):
                assert parquet.read_schema(ours).equals(parquet.read_schema(theirs)), (source, path)
            elif path.endswith(".csv"):
                assert list(pd.read_csv(ours).columns) == list(pd.read_csv(theirs).columns)
            else:
                kinds = [
                    {key: type(value) for key, value in rows_of(file)[0].items()} for file in (ours, theirs)
                ]
                assert kinds[0] == kinds[1]
    subject = parquet.read_schema(mirror / "cais/mmlu/management/test-00000-of-00001.parquet")
    assert parquet.read_schema(raw / "knowledge/people/test-00000-of-00001.parquet").equals(subject)
    assert compared == 19


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
