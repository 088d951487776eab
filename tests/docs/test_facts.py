"""What documents say of the repository is so: links, names of files and stages, licences.

README and the documents beside it show what the recorded studies say, to the letter, and stay short.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import yaml
from shown_commands import DOCUMENTS, ROOT

from cocktail.claims.rows import read_verdicts
from cocktail.claims.verdict import Verdict
from cocktail.report.methods import Record, read_studies
from cocktail.report.readme import BENCHMARKS, OUTCOME, OVERVIEW, RESULTS, marks, render_documents
from cocktail.report.side_by_side import tunes

README = (ROOT / "README.md").read_text(encoding="utf-8")
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a document."""
    text = without_code(path.read_text(encoding="utf-8"))
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def broken_links(path: Path, text: str) -> Iterator[str]:
    for link in LINK.findall(without_code(text)):
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if re.match(r"https?:", link):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


DECISIONS = ROOT / "docs/decisions.md"


@pytest.mark.parametrize("path", [*DOCUMENTS, ROOT / RESULTS], ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert list(broken_links(path, text)) == []
    assert list(broken_links(path, "[a](none.md), [b](#none), [c](https://x.org), ![d](none.svg)")) == [
        *("none.md", "#none", "none.svg"),
    ]


def test_decisions_are_short_and_name_what_is_there() -> None:
    sections = DECISIONS.read_text(encoding="utf-8").split("\n## ")[1:]
    assert len(sections) > 10
    for section in sections:
        title, *lines = section.strip().splitlines()
        assert len(lines) <= 10, title  # an empty one, then the text
        for name in re.findall(r"`([\w./]+\.(?:py|toml|yaml|json))`", section):
            assert (ROOT / name).exists() or (ROOT / "src/cocktail" / name).exists(), (title, name)


def test_the_decision_on_trees_names_its_neighbours() -> None:
    """Who reads it shall know what others share, and that it is not the same."""
    _, _, told = DECISIONS.read_text(encoding="utf-8").partition("\nNeighbours: ")
    named = ("TRL's pull request 7328", "arXiv 2511.00413", "2506.05433", "branches of one prompt")
    assert [one for one in named if one not in told.partition("\n## ")[0]] == []


def test_every_document_is_linked_in_the_readme() -> None:
    targets = {link.partition("#")[0] for link in LINK.findall(README)}
    assert {path.relative_to(ROOT).as_posix() for path in DOCUMENTS[1:]} | {RESULTS} <= targets


def tree() -> set[str]:
    """The paths of the annotated tree; a line that is indented names what is in the folder above it."""
    (shown,) = re.findall(r"```text\n(conf/.*?)```", README, re.DOTALL)
    found, folder = set(), ""
    for line in shown.splitlines():
        names = re.findall(r"(?:^|(?<= ))[\w./]+/(?= |$)|^[\w.]+\.yaml", line)
        found |= {f"{folder if line.startswith(' ') else ''}{name}" for name in names}
        folder = folder if line.startswith(" ") else names[0]
    return found


def test_the_tree_is_that_of_the_repository() -> None:
    places = tree()
    assert [place for place in places if not (ROOT / place).exists()] == []
    rooms = {f"src/cocktail/{path.parent.name}/" for path in (ROOT / "src/cocktail").glob("*/__init__.py")}
    assert rooms <= places, "a package that the tree does not show"


def test_figure_and_table_of_stages_are_those_of_dvc_yaml() -> None:
    (figure,) = re.findall(r"```mermaid\nflowchart LR\n(.*?)```", README, re.DOTALL)
    assert set(re.findall(r"\w+", figure.replace("-->", " "))) == set(STAGES)
    method = (ROOT / "docs/method.md").read_text(encoding="utf-8")
    names = [f"{name}@model" if "matrix" in stage else name for name, stage in STAGES.items()]
    assert re.findall(r"^\| `([\w@]+)` \|", method, re.MULTILINE) == names


def test_licences_are_those_of_the_sources() -> None:
    sources = yaml.safe_load((ROOT / "conf/catalogue/hub.yaml").read_text(encoding="utf-8"))["sources"]
    table = (ROOT / "docs/real-data.md").read_text(encoding="utf-8")
    for name, source in sources.items():
        assert f"| `{name}` | {source['repo']} | {source['licence']} |" in table
        if source["licence"] != "MIT":
            assert f"`{name}` {source['licence']}" in " ".join(README.split())
    models = [
        yaml.safe_load(path.read_text(encoding="utf-8")) for path in (ROOT / "conf/model").glob("*.yaml")
    ]
    licences = {model.get("licence") for one in models for model in one.get("models", {}).values()}
    assert [name for name in filter(None, licences) if name not in README] == []


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
