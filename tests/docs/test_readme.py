"""README and the documents beside it show what the recorded studies say, to the letter, and stay short."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from cocktail.claims.rows import read_verdicts
from cocktail.claims.verdict import Verdict
from cocktail.report.methods import Record, read_studies
from cocktail.report.readme import BENCHMARKS, OUTCOME, OVERVIEW, RESULTS, marks, render_documents
from cocktail.report.side_by_side import tunes

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINES, BLOCK_LINES, READING_LINES = 170, 25, 10  # at most: what a newcomer reads
NEW_WORDS = ("floor", "under-powered", "steps matched", "size matched", "lenient")


def section(title: str) -> str:
    head, _, rest = README.partition(f"\n## {title}\n")
    assert rest, f"README has no section {title!r} below {head[:20]!r}"
    return rest.partition("\n## ")[0].strip()


def block(name: str) -> str:
    start, end = marks(name)
    return README[README.index(start) : README.index(end) + len(end)]


def leading_records() -> list[Record]:
    """The first record of each study."""
    return [records[0] for records in read_studies(ROOT / "reports/studies").values()]


@pytest.mark.parametrize(("name", "text"), render_documents(ROOT).items())
def test_a_document_equals_its_render(name: str, text: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == text, "run: cocktail readme"


def test_the_readme_and_its_blocks_are_short() -> None:
    assert len(README.splitlines()) <= LINES
    for name in (OUTCOME, OVERVIEW, BENCHMARKS):
        assert len(block(name).splitlines()) <= BLOCK_LINES, name


def test_numbers_of_results_stand_in_blocks_only() -> None:
    """An effect or an interval that somebody typed would stay when its record changes."""
    typed = README
    for name in (OUTCOME, OVERVIEW, BENCHMARKS):
        typed = typed.replace(block(name), "")
    documents = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))]
    for text in (typed, *documents):
        assert not re.search(r"[+−]\d+\.\d|\d\.\d \[", text)


def test_the_first_screen_says_what_how_and_what_came_out() -> None:
    first, _, rest = README.partition("\n## How it works\n")
    assert rest and "arxiv.org/abs/2410.01109" in first
    assert all(command in section("Two commands") for command in ("make repro", "make test"))
    places = [first.index(title) for title in ("## Two commands", "## What came out", "## How to read it")]
    assert places == sorted(places)
    (header,) = (line for line in first.splitlines() if line.startswith("| claim |"))
    tuned = {record.folder.name for record in leading_records() if tunes(record)}
    assert tuned and set(header.strip("| ").split(" | ")) == {"claim", *tuned}
    for name in (record.folder.name for record in leading_records()):
        assert len(re.findall(rf"^- \*\*\[{name}\]\(", first, re.MULTILINE)) == 1
        assert (f"**{name}** " in block(OUTCOME)) == (name in tuned)


def test_what_a_verdict_means_is_read_in_ten_lines() -> None:
    reading = section("How to read it")
    assert len(reading.splitlines()) <= READING_LINES
    assert [word for word in (*get_args(Verdict), *NEW_WORDS) if word not in reading] == []


def test_the_results_show_the_headline_of_every_claim_of_a_recorded_study() -> None:
    """A record without claims would leave documents equal to their render, and without verdicts."""
    text = (ROOT / RESULTS).read_text(encoding="utf-8")
    numbers = set()
    for record in filter(tunes, leading_records()):
        for claim in read_verdicts(record.folder / "claims.json").claims:
            head, title = claim.headlines()[0], f"{claim.number}. {claim.title}"
            numbers.add(claim.number)
            assert f"| {title} | {head.model} |" in text, record.folder.name
            if claim.family == "primary":
                assert f"\n| {title} | " in block(OVERVIEW), record.folder.name
    shown = re.findall(r"^\| (\d)\. ", block(OVERVIEW), re.MULTILINE)
    assert numbers and {int(number) for number in shown} == numbers, "a claim that README does not show"
