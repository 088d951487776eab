"""What documents say of the repository is so: links, names of files and stages, licences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from shown_commands import DOCUMENTS, ROOT

from cocktail.report.readme import RESULTS

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


DECISIONS = sorted((ROOT / "docs/decisions").glob("*.md"))


@pytest.mark.parametrize("path", [*DOCUMENTS, ROOT / RESULTS, *DECISIONS], ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert list(broken_links(path, text)) == []
    assert list(broken_links(path, "[a](none.md), [b](#none), [c](https://x.org), ![d](none.svg)")) == [
        *("none.md", "#none", "none.svg"),
    ]


def test_decisions_are_short_listed_and_name_what_is_there() -> None:
    listed = set(LINK.findall((ROOT / "docs/decisions/README.md").read_text(encoding="utf-8")))
    assert listed == {path.name for path in DECISIONS} - {"README.md"}
    for path in DECISIONS:
        lines = path.read_text(encoding="utf-8").splitlines()
        assert path.name == "README.md" or len(lines) <= 10, path.name
        for name in re.findall(r"`([\w./]+\.(?:py|toml|yaml|json))`", "\n".join(lines)):
            assert (ROOT / name).exists() or (ROOT / "src/cocktail" / name).exists(), (path.name, name)


def test_the_decision_on_trees_names_its_neighbours() -> None:
    """Who reads it shall know what others share, and that it is not the same."""
    text = (ROOT / "docs/decisions/trees.md").read_text(encoding="utf-8")
    _, _, told = text.partition("\nNeighbours: ")
    named = ("TRL's pull request 7328", "arXiv 2511.00413", "2506.05433", "branches of one prompt")
    assert [one for one in named if one not in told] == []


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
