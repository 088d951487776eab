"""Cleaning is counted, dev goes by clusters, and what gives a test row away leaves the train part.

The same filing page is found in FinQA and ConvFinQA though they print it differently.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from data_params import make_params, make_source, write_lines
from folders import digest_folder

from cocktail.config import Params
from cocktail.data.leakage import group_pages
from cocktail.data.prepare import prepare
from cocktail.data.table import normalise, read_split, unescape
from cocktail.errors import DataError
from cocktail.files.records import read_json, read_table
from cocktail.tasks import load_task


class Study:
    """Raw rows of some sources in a folder, and what prepare makes of them."""

    def __init__(self, folder: Path) -> None:
        self.raw, self.out = folder / "raw", folder / "prepared"
        self.sources: dict[str, Any] = {}

    def add(self, task: str, split: str, rows: Iterable[dict[str, Any]]) -> None:
        write_lines(self.raw / task / f"{split}.jsonl", *(json.dumps(row) for row in rows))
        files = self.sources.setdefault(task, make_source())["files"]
        files.append({"path": f"{split}.jsonl", "split": split})

    def params(self, **config: Any) -> Params:
        sources = {name: make_source() for name in make_params().fetch.sources} | self.sources
        return make_params(prepare=config, fetch={"backend": "mirror", "sources": sources})

    def prepare(self, **config: Any) -> None:
        prepare(self.raw, self.out, params=self.params(**config))

    def items(self, task: str, split: str) -> list[str]:
        found: list[str] = read_split(self.out, task, split)["item"].tolist()
        return [item.partition(":")[2] for item in found]

    def report(self, task: str) -> dict[str, Any]:
        found: dict[str, Any] = read_json(self.out / "report.json")[task]
        return found


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path)


def sentence(text: str, label: int = 1) -> dict[str, Any]:
    return {"sentence": text, "label": label}


def tweet(text: str, label: int = 1) -> dict[str, Any]:
    return {"text": text, "label": label}


def finqa(page: str, question: str, answer: str = "4") -> dict[str, Any]:
    return {"id": "x", "query": "", "answer": answer, "text": f"{page}\nQuestion: {question}"}


def turn(page: str, question: str, answer: str = "4") -> dict[str, Any]:
    text = f"Context: {page}\nConversations:\nQuestion: {question}\nAnswer:"
    return {"input": text, "output": answer, "instruction": "Answer the last question."}


@pytest.mark.slow
def test_rows_have_the_agreed_columns_and_ids(study: Study) -> None:
    study.add("fpb", "train", [sentence("one"), sentence("two", 9), sentence("three", 2)])
    study.add("fpb", "test", [sentence("four", 0)])
    study.prepare(dev_share=0.0, max_quarantine_share=0.5)
    train = read_split(study.out, "fpb", "train")
    assert list(train.columns) == [
        "item",
        "task",
        "instruction",
        "input",
        "answer",
        "gold",
        "cluster",
        "document",
    ]
    assert train["item"].tolist() == ["fpb:train:0", "fpb:train:2"]  # row 1 is in quarantine
    assert train["answer"].tolist() == train["gold"].tolist() == ["neutral", "positive"]
    empty = read_split(study.out, "fpb", "dev")
    assert len(empty) == 0
    assert list(empty.columns) == list(train.columns)


@pytest.mark.slow
def test_rows_of_a_split_are_numbered_over_its_files(study: Study) -> None:
    study.add("fpb", "train", [sentence("one"), sentence("two")])
    write_lines(study.raw / "fpb/more.jsonl", json.dumps(sentence("three")))
    study.sources["fpb"]["files"].append({"path": "more.jsonl", "split": "train"})
    study.prepare(dev_share=0.0)
    assert study.items("fpb", "train") == ["train:0", "train:1", "train:2"]


@pytest.mark.slow
def test_html_entities_are_replaced_and_counted(study: Study) -> None:
    study.add("twitter_sa", "train", [tweet("A &amp; B &#39;up&#39;"), tweet("plain")])
    study.add("twitter_sa", "test", [tweet("C &gt; D")])
    study.prepare(dev_share=0.0)
    read = [
        text.partition("\nAnswer in")[0] for text in read_split(study.out, "twitter_sa", "train")["input"]
    ]
    assert read == ["A & B 'up'", "plain"]
    assert study.report("twitter_sa")["cleaning"]["html_entities"] == 2


def test_only_closed_entities_are_replaced() -> None:
    assert unescape("?a=1&copy=2 &para AT&T; x&lt;y") == "?a=1&copy=2 &para AT&T; x<y"


@pytest.mark.slow
def test_train_loses_repeats_conflicts_and_empty_answers(study: Study) -> None:
    rows = [sentence("same"), sentence("same"), sentence("torn", 0), sentence("torn", 2), sentence("ok")]
    study.add("fpb", "train", rows)
    answers = [("q", "a"), ("q", "a"), ("q", "b"), ("r", "")]
    orca = [{"id": "", "system_prompt": "", "question": q, "response": r} for q, r in answers]
    study.add("open_orca", "train", orca)
    study.prepare(dev_share=0.0)
    assert study.items("fpb", "train") == ["train:0", "train:4"]
    assert study.report("fpb")["cleaning"] == {
        "conflicting_labels": 2,
        "duplicates": 1,
        "empty_answer": 0,
        "html_entities": 0,
    }
    assert study.items("open_orca", "train") == ["train:0", "train:2"]  # free answers may differ
    assert study.report("open_orca")["cleaning"]["empty_answer"] == 1


@pytest.mark.slow
def test_long_rows_of_a_source_leave_all_splits_and_are_counted(study: Study) -> None:
    long = "word " * 60
    study.add("fpb", "train", [sentence("one"), sentence(long), sentence("three", 2)])
    study.add("fpb", "test", [sentence("four", 0), sentence(f"{long} more", 0)])
    study.add("twitter_sa", "train", [tweet(long)])
    study.add("twitter_sa", "test", [tweet(f"{long} end")])
    study.prepare(dev_share=0.0)
    whole, counted = (study.items("fpb", "train"), study.items("fpb", "test")), study.report("fpb")
    assert "too_long" not in counted["cleaning"]
    study.prepare(dev_share=0.0, max_characters={"fpb": 300})
    assert (study.items("fpb", "train"), study.items("fpb", "test")) == (
        [one for one in whole[0] if one != "train:1"],
        [one for one in whole[1] if one != "test:1"],
    )
    assert study.report("fpb")["cleaning"]["too_long"] == 2
    assert len(study.items("twitter_sa", "train")) == len(study.items("twitter_sa", "test")) == 1


@pytest.mark.slow
def test_the_closing_line_may_stand_first_and_changes_nothing_else(study: Study) -> None:
    study.add("fpb", "train", [sentence(word) for word in ("one", "two", "three", "four")])
    study.add("fpb", "test", [sentence("five", 0)])
    study.prepare(dev_share=0.5)
    closing = load_task("fpb").closing
    before = {split: read_split(study.out, "fpb", split) for split in ("train", "dev", "test")}
    assert before["test"]["input"].tolist() == [f"five\n{closing}"]
    study.prepare(dev_share=0.5, closing="before")
    for split, rows in before.items():
        after = read_split(study.out, "fpb", split)
        assert len(after) and after["input"].str.startswith(f"{closing}\n").all()
        pd.testing.assert_frame_equal(after.drop(columns="input"), rows.drop(columns="input"))
    assert read_split(study.out, "fpb", "test")["input"].tolist() == [f"{closing}\nfive"]


@pytest.mark.slow
def test_test_rows_are_never_dropped_as_repeats_or_conflicts(study: Study) -> None:
    study.add("fpb", "train", [sentence("x")])
    study.add("fpb", "test", [sentence("same"), sentence("same"), sentence("same", 2), sentence("x")])
    study.prepare()
    assert study.items("fpb", "test") == ["test:0", "test:1", "test:2", "test:3"]


@pytest.mark.slow
def test_exact_and_normalised_matches_leave_train(study: Study) -> None:
    train = [tweet("Up  we GO https://a.example/1"), tweet("down https://b.example"), tweet("other")]
    study.add("twitter_sa", "train", train)
    test = [tweet("up we go https://c.example/2"), tweet("down https://b.example")]
    study.add("twitter_sa", "test", test)
    study.prepare(dev_share=0.0)
    assert study.items("twitter_sa", "train") == ["train:2"]
    assert study.items("twitter_sa", "test") == ["test:0", "test:1"]
    assert study.report("twitter_sa")["leakage"] == {
        "dev": 0,
        "document": 0,
        "exact": 1,
        "normalised": 1,
        "other_task": 0,
    }
    leaks = read_table(study.out / "leakage.parquet")
    assert leaks.to_dict("records") == [
        {
            "task": "twitter_sa",
            "item": "twitter_sa:train:0",
            "kind": "normalised",
            "matches_item": "twitter_sa:test:0",
        },
        {
            "task": "twitter_sa",
            "item": "twitter_sa:train:1",
            "kind": "exact",
            "matches_item": "twitter_sa:test:1",
        },
    ]


@pytest.mark.slow
def test_rows_of_a_dev_file_that_give_a_test_row_away_leave_dev(study: Study) -> None:
    pages = [" ".join(f"p{page}w{word}" for word in range(30)) for page in range(6)]
    study.add("finqa", "train", [finqa(page, "a?") for page in pages[:4]])
    study.add("finqa", "dev", [finqa(pages[4], "b?"), finqa(pages[5], "b?")])
    study.add("finqa", "test", [finqa(pages[5], "c?")])
    study.prepare(dev_share=1.0)
    assert study.items("finqa", "dev") == ["dev:0"]


@pytest.mark.slow
def test_leakage_keep_keeps_the_rows_and_still_counts_them(study: Study) -> None:
    study.add("twitter_sa", "train", [tweet("up"), tweet("other")])
    study.add("twitter_sa", "test", [tweet("up")])
    study.prepare(dev_share=0.0, leakage="keep")
    assert study.items("twitter_sa", "train") == ["train:0", "train:1"]
    assert study.report("twitter_sa")["leakage"]["exact"] == 1


@pytest.mark.slow
def test_a_test_text_of_another_task_leaves_train_too(study: Study) -> None:
    study.add("twitter_sa", "train", [tweet("up"), tweet("other")])
    study.add("twitter_topics", "test", [tweet("UP")])
    study.prepare(dev_share=0.0)
    assert study.items("twitter_sa", "train") == ["train:1"]
    assert study.report("twitter_sa")["leakage"]["other_task"] == 1


@pytest.mark.slow
def test_a_page_in_a_test_part_is_in_no_train_part_of_either_task(study: Study) -> None:
    pages = [" ".join(f"p{page}w{word}" for word in range(30)) for page in range(4)]
    study.add("finqa", "train", [finqa(pages[0], "a?"), finqa(pages[1], "b?"), finqa(pages[2], "c?")])
    study.add("finqa", "test", [finqa(pages[3], "d?")])
    study.add("convfinqa", "train", [turn(pages[2], "e?"), turn(pages[3], "f?")])
    study.add("convfinqa", "test", [turn(pages[0], "g?")])
    study.prepare(dev_share=0.0)
    assert study.items("finqa", "train") == ["train:1", "train:2"]
    assert study.items("convfinqa", "train") == ["train:0"]
    assert study.report("finqa")["leakage"]["document"] == 1
    assert study.report("convfinqa")["leakage"]["document"] == 1
    tables = {name: read_split(study.out, name, "train") for name in ("finqa", "convfinqa")}
    assert tables["finqa"]["document"][1] == tables["convfinqa"]["document"][0] != ""


@pytest.mark.slow
def test_dev_takes_whole_clusters_of_train(study: Study) -> None:
    rows = [
        {"input": f"headline {number // 5}", "output": "Yes", "instruction": f"question {number % 5}?"}
        for number in range(100)
    ]
    study.add("headline", "train", rows)
    study.prepare(dev_rows=18, dev_share=0.5)
    train, dev = (read_split(study.out, "headline", split) for split in ("train", "dev"))
    assert len(dev) == 15  # three whole headlines; a fourth would not fit into 18
    assert len(train) == 85
    assert not set(train["cluster"]) & set(dev["cluster"])
    study.prepare(dev_rows=18, dev_share=0.1)
    assert len(read_split(study.out, "headline", "dev")) == 10


@pytest.mark.slow
def test_the_seed_sets_dev_and_the_test_sample(study: Study) -> None:
    study.add("fpb", "train", [sentence(f"train {number}") for number in range(100)])
    study.add("fpb", "test", [sentence(f"test {number}") for number in range(50)])
    study.prepare(test_rows=10)
    first = study.items("fpb", "dev"), study.items("fpb", "test")
    study.prepare(test_rows=10)
    assert (study.items("fpb", "dev"), study.items("fpb", "test")) == first
    study.prepare(test_rows=10, seed=1)
    assert study.items("fpb", "dev") != first[0]
    assert study.items("fpb", "test") != first[1]
    assert len(first[1]) == 10
    assert first[1] == sorted(first[1], key=lambda item: int(item.split(":")[1]))


def test_a_dev_file_of_the_source_is_the_dev_part(study: Study) -> None:
    pages = [" ".join(f"p{page}w{word}" for word in range(30)) for page in range(8)]
    study.add("finqa", "train", [finqa(page, "a?") for page in pages[:5]])
    study.add("finqa", "dev", [finqa(pages[0], "b?"), finqa(pages[5], "b?")])
    study.add("convfinqa", "train", [turn(page, "c?") for page in pages])
    study.prepare(dev_rows=9, dev_share=0.4)
    assert study.items("finqa", "dev") == ["dev:0", "dev:1"]
    assert study.items("finqa", "train") != []
    dev = {row for name in ("finqa", "convfinqa") for row in read_split(study.out, name, "dev")["document"]}
    for name in ("finqa", "convfinqa"):  # a dev page of one task is in the train part of neither
        assert not dev & set(read_split(study.out, name, "train")["document"])
    assert study.report("finqa")["leakage"]["dev"] >= 1


def test_tasks_that_are_not_evaluated_have_no_dev(study: Study) -> None:
    rows = [{"question": f"sum {number}?", "answer": "4"} for number in range(50)]
    study.add("orca_math", "train", rows)
    study.prepare()
    assert study.items("orca_math", "dev") == []
    assert len(study.items("orca_math", "train")) == 50


def test_filler_can_be_half_of_the_general_rows(study: Study) -> None:
    rows = [
        {"id": "", "system_prompt": "", "question": f"question {number // 2}", "response": f"{number}"}
        for number in range(40)
    ]
    study.add("open_orca", "train", rows)
    study.prepare(filler_from="open_orca")
    general, filler = (read_split(study.out, name, "train") for name in ("open_orca", "filler"))
    assert (len(general), len(filler)) == (20, 20)
    assert not set(general["cluster"]) & set(filler["cluster"])
    assert set(filler["task"]) == {"filler"}
    numbers = {item.rpartition(":")[2] for item in (*general["item"], *filler["item"])}
    assert numbers == {str(number) for number in range(40)}
    assert all(item.startswith("filler:train:") for item in filler["item"])


def test_bad_rows_go_to_quarantine_with_their_reason_and_number(study: Study) -> None:
    study.add("fpb", "train", [sentence(f"s{number}") for number in range(20)])
    with (study.raw / "fpb/train.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(sentence("out of range " + "x" * 600, 7)) + "\n{broken\n")
    study.prepare()
    quarantine = read_table(study.out / "quarantine.parquet")
    assert quarantine[["source", "file", "row"]].to_dict("records") == [
        {"source": "fpb", "file": "train.jsonl", "row": 20},
        {"source": "fpb", "file": "train.jsonl", "row": 21},
    ]
    assert quarantine["reason"][0] == "label is '7', not one of 0 to 2"
    assert quarantine["reason"][1].startswith("not JSON")
    assert len(quarantine["raw"][0]) == 500
    assert quarantine["raw"][1] == "{broken"
    assert study.report("fpb")["quarantined"] == 2
    assert study.report("fpb")["rows_in"]["train"] == 22


def test_too_many_bad_rows_stop_the_stage_and_name_the_file(study: Study) -> None:
    study.add("fpb", "train", [sentence("one"), sentence("two", 5), sentence("three", 5)])
    with pytest.raises(DataError) as caught:
        study.prepare(max_quarantine_share=0.5)
    assert caught.value.where == str(study.raw / "fpb/train.jsonl")
    assert "2 of 3 rows are bad" in caught.value.what
    assert "label is '5'" in caught.value.what
    assert "prepare.max_quarantine_share" in caught.value.fix
    assert not study.out.exists()


def test_a_twitter_csv_with_line_breaks_goes_through_whole(study: Study) -> None:
    path = study.raw / "twitter_sa/sent_train.csv"
    path.parent.mkdir(parents=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("text", "label"), ("first\nsecond, third", 0), ("plain", 2)])
    study.sources["twitter_sa"] = make_source(("sent_train.csv", "train"))
    study.prepare(dev_share=0.0)
    train = read_split(study.out, "twitter_sa", "train")
    closing = load_task("twitter_sa").closing
    assert train["input"].tolist() == [f"first\nsecond, third\n{closing}", f"plain\n{closing}"]
    assert train["gold"].tolist() == ["Bearish", "Neutral"]


@pytest.mark.slow
def test_the_same_raw_files_give_the_same_bytes(study: Study) -> None:
    study.add("fpb", "train", [sentence(f"train {number}", number % 3) for number in range(50)])
    study.add("twitter_sa", "train", [tweet(f"train {number}") for number in range(50)])
    study.prepare()
    first = digest_folder(study.out)
    study.prepare()
    assert digest_folder(study.out) == first


@pytest.mark.slow
def test_tasks_json_says_what_the_study_trains_and_evaluates(study: Study) -> None:
    params = study.params()
    chosen = params.study.model_copy(update={"tasks": ["fpb"], "evaluations": ["fpb", "gsm8k"]})
    prepare(study.raw, study.out, params=params.model_copy(update={"study": chosen}))
    tasks = read_json(study.out / "tasks.json")
    assert {name for name, task in tasks.items() if task["trains"]} == {"fpb", "filler"}
    assert {name for name, task in tasks.items() if task["evaluates"]} == {"fpb", "gsm8k"}
    assert tasks["fpb"] == {
        "labels": ["negative", "neutral", "positive"],
        "kind": "label",
        "max_new_tokens": 8,
        "metric": "accuracy",
        "trains": True,
        "evaluates": True,
    }


def test_normalising_takes_links_case_and_spacing_away_and_nothing_else() -> None:
    assert normalise("  Up\n5 %  www.x.example/a https://t.example/b! ") == "up 5 %"
    assert normalise("a.b") != normalise("a b")


def test_an_empty_source_is_an_empty_table(study: Study) -> None:
    study.prepare()
    assert isinstance(read_split(study.out, "headline", "train"), pd.DataFrame)
    assert study.items("headline", "train") == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("sentence", '"half a character: \\ud800"', "lone surrogate"),
        ("sentence", '"nothing: \\u0000"', "NUL"),
        ("sentence", '["a"]', "sentence is no text but list"),
        ("label", "9" * 4000, "label is '9"),
        ("label", f'"{"9" * 5000}"', "label is '9"),
        ("label", "NaN", "label is 'nan'"),
        ("label", "[" * 3000 + "]" * 3000, ""),
    ],
)
def test_a_row_that_no_table_can_hold_goes_to_quarantine(
    field: str, value: str, told: str, study: Study
) -> None:
    study.add("fpb", "train", [sentence(f"Sales rose by {number}", label=number % 3) for number in range(20)])
    path = study.raw / "fpb/train.jsonl"
    other = {"sentence": '"Sales fell"', "label": "1"} | {field: value}
    row = ", ".join(f'"{name}": {text}' for name, text in other.items())
    path.write_text(path.read_text(encoding="utf-8") + "{" + row + "}\n", encoding="utf-8")
    study.prepare()
    (quarantined,) = read_table(study.out / "quarantine.parquet").to_dict("records")
    assert quarantined["row"] == 20 and told in quarantined["reason"]
    assert len(quarantined["reason"]) <= 500 and len(quarantined["raw"]) <= 500


@pytest.mark.slow
def test_a_gold_number_too_large_to_be_compared_goes_to_quarantine(study: Study) -> None:
    rows = [finqa(f"page {number}", f"how many of {number}?", str(number)) for number in range(20)]
    study.add("finqa", "train", [*rows, finqa("page", "how many?", "9" * 400)])
    study.prepare()
    (quarantined,) = read_table(study.out / "quarantine.parquet").to_dict("records")
    assert "too large" in quarantined["reason"]


PROSE = " ".join(f"word{number} of the long note on leases and fees ." for number in range(40))
FINQA = f"item 7 . notes continued {PROSE}\n|year|2012|2011|\n|fees|$ 6|$ -4 ( 4 )|\n|costs|5|3|"
CONVERSATION = f"{PROSE} \nyear | 2012 | 2011\nfees | $ 6 | $ -4 ( 4 )\ncosts | 5 | 3"


def test_dropped_headings_and_another_table_layout_leave_the_page_the_same() -> None:
    groups = group_pages([FINQA, CONVERSATION])
    assert groups[FINQA] == groups[CONVERSATION]


def test_other_pages_are_not_the_same_though_they_share_phrases() -> None:
    other = f"{PROSE[: len(PROSE) // 3]} the company owns a mill in velt and leases it to brantor . " * 3
    groups = group_pages([FINQA, other])
    assert groups[FINQA] != groups[other]


def test_small_tables_that_differ_in_one_number_are_two_pages() -> None:
    page = "velmora report .\n||this year|last year|\n|sales|{}|5|\n|costs|2|8|\nthe firm is in velt ."
    groups = group_pages([page.format(3), page.format(4)])
    assert len(set(groups.values())) == 2


def test_sameness_goes_along_chains_whatever_the_order() -> None:
    words = [f"w{number}" for number in range(60)]
    first, middle, last = (" ".join(words[start : start + 40]) for start in (0, 5, 10))
    for order in ([first, middle, last], [first, last, middle]):
        assert len(set(group_pages(order).values())) == 1
    assert len(set(group_pages([first, last]).values())) == 2  # without the middle they share too little


def test_a_page_of_a_few_words_is_only_the_same_as_itself() -> None:
    groups = group_pages(["fees 4", "fees 5", "Fees  4"])
    assert groups["fees 4"] == groups["Fees  4"] != groups["fees 5"]
