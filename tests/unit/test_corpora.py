"""Corpora: passages that share words with an evaluated set are dropped, and everything is counted."""

from __future__ import annotations

import json
import lzma
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_params import make_params, make_source
from tiny_model import MODEL

from cocktail.config import CorporaConfig, Params
from cocktail.corpora.corpus import make_corpus
from cocktail.corpora.instructions import MAKERS, instruction_rows
from cocktail.corpora.overlap import Overlap, WordRuns
from cocktail.corpora.read import check_corpus, corpora_folder, passages, read_documents
from cocktail.errors import ConfigError, SourceError
from cocktail.records import digest_file, read_json, read_table

QUESTION = "The grey mill of Quorvane sold nine bales of cloth to the yard in March."
NEVER = "A yellow boat went by and nobody on the quiet shore had ever seen its flag."


def write_corpus(path: Path, documents: list[str]) -> Path:
    with lzma.open(path, "wt", encoding="utf-8") as out:
        out.writelines(json.dumps({"text": text}) + "\n" for text in documents)
    return path


def sentences(count: int, *, seed: int = 0) -> str:
    """Sentences of invented words and of numbers that share no run of ten words."""
    rng = np.random.default_rng(seed)
    words = ["".join(rng.choice(list("abdeiklmnoprstu"), 6)) for _ in range(400)] + list(
        map(str, range(30, 90))
    )
    return " ".join(" ".join(rng.choice(words, 12)).capitalize() + "." for _ in range(count))


def corpora(**changes: Any) -> dict[str, Any]:
    given = {"seed": 1, "characters": 4000, "passage": 300, "overlap_words": 10, "held_out": 0.2}
    files = {"first": {"share": 0.5, "licence": "ours"}, "second": {"share": 0.5, "licence": "ours"}}
    return given | {"instruction_rows": 12, "files": files} | changes


def evaluating(folder: Path, **changes: Any) -> Params:
    """A study that does not evaluate fpb, whose one test row is QUESTION."""
    files = [("train.jsonl", "train"), ("test.jsonl", "test")]
    sources = {"fpb": make_source(*files), "orca_math": make_source(), "open_orca": make_source()}
    params = make_params(
        study={"tasks": ["fpb", "orca_math", "open_orca"], "evaluations": [], "targets": []},
        fetch={"sources": sources},
        prepare={"filler_from": "open_orca"},
        corpora=corpora(**changes),
    )
    (folder / "raw/fpb").mkdir(parents=True, exist_ok=True)
    rows = {
        "train": {"sentence": sentences(1, seed=9), "label": 0},
        "test": {"sentence": QUESTION, "label": 2},
    }
    for split, row in rows.items():
        (folder / f"raw/fpb/{split}.jsonl").write_text(json.dumps(row) + "\n")
    return params


def make(folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Path:
    monkeypatch.setenv("COCKTAIL_CORPORA", str(folder))
    make_corpus(
        folder / "raw", folder / "out", params=evaluating(folder, **changes), counts=folder / "counts.json"
    )
    return folder / "out"


def test_a_run_of_words_is_found_whatever_stands_between_them() -> None:
    runs = WordRuns(10)
    once = runs.of(QUESTION)
    assert len(once) == len(QUESTION.split()) - 9
    assert np.array_equal(once, runs.of(QUESTION.upper().replace(" ", "\n - ")))
    assert not set(once) & set(runs.of(NEVER))
    assert len(runs.of("nine words are one too few to be found")) == 0


def test_the_order_of_words_counts() -> None:
    forwards, backwards = (
        WordRuns(10).of(" ".join(words)) for words in (list("abcdefghij"), list("jihgfedcba"))
    )
    assert forwards[0] != backwards[0]


@pytest.mark.parametrize(("num_words", "shared"), [(10, True), (15, False)])
def test_overlap_starts_at_the_number_of_words(num_words: int, shared: bool) -> None:
    overlap = Overlap([("fpb", [QUESTION]), ("gsm8k", [NEVER])], num_words=num_words)
    part = " ".join(QUESTION.split()[:10])
    assert overlap.shares(f"It began so: {part}, and no more.") is shared
    assert overlap.hits == {"fpb": int(shared), "gsm8k": 0}


def test_nine_words_are_no_overlap() -> None:
    assert not Overlap([("fpb", [QUESTION])], num_words=10).shares(
        " ".join(QUESTION.split()[:9]) + " and so on"
    )


def test_passages_are_the_whole_text_and_end_with_sentences() -> None:
    text = sentences(60)
    cut = passages(text, length=300)
    assert " ".join(cut) == text
    assert all(len(part) <= 300 for part in cut)
    assert all(part.endswith(".") for part in cut)
    assert passages("x" * 700, length=300) == ["x" * 300, "x" * 300, "x" * 100]


def test_the_corpus_is_drawn_checked_held_out_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_corpus(tmp_path / "first.jsonl.xz", [sentences(40), f"{QUESTION} {QUESTION}"])
    write_corpus(tmp_path / "second.jsonl.xz", [sentences(80, seed=2)])
    out = make(tmp_path, monkeypatch)
    receipt, text = read_json(out / "receipt.json"), read_table(out / "text.parquet")
    first = receipt["corpora"]["first"]
    assert read_json(tmp_path / "counts.json") == receipt
    assert (first["documents"], first["passages_with_overlap"]) == (2, 1)
    assert receipt["overlap"] == {"words": 10, "passages_by_set": {"fpb": 1}}
    assert not text["text"].str.contains("Quorvane").any()
    for name in ("first", "second"):
        mine = text[text["corpus"] == name]
        drawn = receipt["corpora"][name]["drawn"]
        assert drawn["passages"] == len(mine)
        assert 2000 <= drawn["characters"] == mine["text"].str.len().sum() < 2000 + 300
        assert drawn["held_out"] == (mine["split"] == "held_out").sum() == max(1, round(0.2 * len(mine)))
    assert text["text"].is_unique
    rows = read_table(out / "instructions.parquet")
    assert len(rows) == 12 == sum(receipt["instruction_rows"].values())
    held = " ".join(text["text"][text["split"] == "held_out"])
    assert not any(row in held for row in rows["input"] if "___" not in row)


def test_the_same_corpus_twice_is_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("first", "second"):
        write_corpus(tmp_path / f"{name}.jsonl.xz", [sentences(80, seed=len(name))])
    once = {file.name: file.read_bytes() for file in make(tmp_path, monkeypatch).iterdir()}
    again = {file.name: file.read_bytes() for file in make(tmp_path, monkeypatch).iterdir()}
    assert once == again
    other = {file.name: file.read_bytes() for file in make(tmp_path, monkeypatch, seed=2).iterdir()}
    assert other["text.parquet"] != once["text.parquet"]


def test_a_corpus_that_is_too_small_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_corpus(tmp_path / "first.jsonl.xz", [sentences(3)])
    with pytest.raises(SourceError) as caught:
        make(tmp_path, monkeypatch)
    assert "corpora.files.first.share" in caught.value.fix
    assert not (tmp_path / "out").exists()


def test_without_corpora_there_is_a_receipt_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COCKTAIL_CORPORA", raising=False)
    counts = tmp_path / "counts.json"
    make_corpus(tmp_path / "no raw data", tmp_path / "out", params=make_params(), counts=counts)
    assert read_json(counts) == {"corpora": {}}
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["receipt.json"]


def test_no_folder_and_a_wrong_digest_are_clear_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = CorporaConfig.model_validate(corpora())
    monkeypatch.delenv("COCKTAIL_CORPORA", raising=False)
    with pytest.raises(SourceError) as caught:
        corpora_folder(config)
    assert caught.value.where == "corpora.folder"
    monkeypatch.setenv("COCKTAIL_CORPORA", str(tmp_path / "nowhere"))
    with pytest.raises(SourceError):
        corpora_folder(config)
    path = write_corpus(tmp_path / "first.jsonl.xz", ["one"])
    assert check_corpus(path, digest_file(path)) == check_corpus(path, None) == digest_file(path)
    with pytest.raises(SourceError) as caught:
        check_corpus(path, "0" * 64)
    assert digest_file(path) in caught.value.what
    with pytest.raises(SourceError):
        check_corpus(tmp_path / "second.jsonl.xz", None)


@pytest.mark.parametrize("line", ['{"text": 7}', "[]", "{"])
def test_a_bad_line_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "first.jsonl.xz"
    with lzma.open(path, "wt") as out:
        out.write('{"text": "well"}\n' + line + "\n")
    with pytest.raises(SourceError, match="after line 1"):
        list(read_documents(path))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SourceError) as caught:
        list(read_documents(path))
    assert caught.value.where == str(path)


def test_every_instruction_row_is_answered_by_its_input() -> None:
    text = [sentences(30, seed=seed) for seed in range(20)]
    rows = list(instruction_rows(text, count=60, rng=np.random.default_rng(3)))
    assert {row["kind"] for row in rows} == set(MAKERS)
    for row in rows:
        words = row["input"].replace(".", "").split()
        assert answered(row["kind"], row["instruction"], words, row["answer"]), row


def test_a_listed_word_that_is_in_the_text_too_is_no_wrong_option() -> None:
    text, rng = "The quiet mill near that harbour sold seven bales.", np.random.default_rng(1)
    assert MAKERS["listed"](rng, text, ["quiet", "mill", "harbour", "bales"]) is None
    made = MAKERS["listed"](rng, text, ["yellow", "purple"])
    assert made and "yellow" in made[0] and "purple" in made[0]


def answered(kind: str, question: str, words: list[str], answer: str) -> bool:
    """Whether the answer is right, found out in another way than the makers do."""
    if kind == "next_word":
        return (question.split('"')[1], answer) in set(pairwise(words))
    if kind == "contains":
        return (question.split('"')[1] in words) == (answer == "Yes")
    if kind == "gap":
        return answer in re.findall(r"\w+", question) and answer not in words and "___" in words
    if kind == "listed":
        return [word for word in re.findall(r"\w+", question)[7:] if word in words] == [answer]
    found = [
        word for word in words if word.isdigit() == (kind == "number") and word.islower() != word.isdigit()
    ]
    return answer == found[-1 if "last" in question else 0]


def test_shares_must_add_up_to_one_and_a_model_needs_corpora() -> None:
    with pytest.raises(ConfigError, match=r"add up to 0\.5"):
        make_params(corpora=corpora(files={"first": {"share": 0.5, "licence": "ours"}}))
    assert MODEL.pretrain
    reader = MODEL.model_copy(update={"pretrain": MODEL.pretrain.model_copy(update={"text": "corpora"})})
    make_params(corpora=corpora(), models={"reader": reader.model_dump()})
    with pytest.raises(ConfigError, match="names none"):
        make_params(models={"reader": reader.model_dump()})
