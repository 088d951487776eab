"""CITATION.cff names this package at its version, and the paper; setup.py packs what init lays out."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CITATION: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_package_is_named_at_its_version() -> None:
    assert {"cff-version", "message", "title", "authors", "preferred-citation"} <= CITATION.keys()
    assert (CITATION["version"], CITATION["license"]) == (PROJECT["version"], PROJECT["license"])
    assert CITATION["title"].lower() == PROJECT["name"]


def test_the_paper_is_the_one_that_the_readme_names() -> None:
    paper = CITATION["preferred-citation"]
    title = paper["title"].replace(" ", "").replace("–", "-")
    assert title in "".join(README.split()).replace("–", "-")
    assert paper["url"].rpartition("/")[2] in README and paper["doi"].endswith(
        paper["url"].rpartition("/")[2]
    )
    (to_cite,) = (part for part in README.split("\n\n") if part.startswith("**To cite:**"))
    names = [" ".join(one["family-names"].split()) for one in paper["authors"]]
    assert [name for name in names if name not in " ".join(to_cite.split())] == []


def test_it_is_valid() -> None:
    reason = "cffconvert is not in the lock: pip install -e '.[interop]' in another environment"
    pytest.importorskip("cffconvert", reason=reason)
    from cffconvert import Citation

    Citation((ROOT / "CITATION.cff").read_text(encoding="utf-8")).validate()


def test_a_release_can_be_cut_from_the_changelog() -> None:
    heads = [
        line for line in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines() if line[:3] == "## "
    ]
    assert heads[0] == "## Unreleased" or heads[0].startswith(f"## {PROJECT['version']}")
