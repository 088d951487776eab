"""Sources stand in a catalogue; params.yaml names it and says what is otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from cocktail.config.catalogue import with_catalogue
from cocktail.errors import ConfigError

FPB = {"repo": "someone/fpb", "licence": "MIT", "files": [{"path": "a.csv", "split": "train"}]}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "conf/catalogue"
    folder.mkdir(parents=True)
    (folder / "here.yaml").write_text(yaml.safe_dump({"sources": {"fpb": FPB}, "world": {"seed": 7}}))
    return tmp_path


def read(root: Path, **fetch: Any) -> Any:
    return with_catalogue({"fetch": {"backend": "mirror", "catalogue": "here", **fetch}}, root)["fetch"]


def test_the_entries_take_the_place_of_the_name(root: Path) -> None:
    assert read(root) == {"backend": "mirror", "sources": {"fpb": FPB}, "world": {"seed": 7}}


def test_what_params_say_of_a_source_wins_and_another_one_is_added(root: Path) -> None:
    said = {"fpb": {"revision": "abc", "files": []}, "mine": {"repo": "me/mine"}}
    found = read(root, sources=said, world={"seed": 8})
    assert found["sources"]["fpb"] == {**FPB, "revision": "abc", "files": []}
    assert found["sources"]["mine"] == {"repo": "me/mine"}
    assert found["world"] == {"seed": 8}


def test_without_a_name_everything_stands_in_params() -> None:
    raw = {"fetch": {"backend": "mirror", "sources": {"fpb": FPB}}}
    assert with_catalogue(raw, Path("nowhere")) == raw


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("hree", "no catalogue 'hree'; did you mean 'here'?"),
        ("../sources/here", "no catalogue '../sources/here'"),
    ],
)
def test_a_name_that_is_not_there_is_refused(root: Path, name: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(root, catalogue=name)
    assert says in caught.value.problems[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [("sources: [", "not YAML"), ("- fpb\n", "has the keys"), ("backend: hub\n", "has the keys")],
)
def test_a_file_that_is_no_catalogue_is_refused(root: Path, text: str, says: str) -> None:
    (root / "conf/catalogue/here.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read(root)
    assert says in caught.value.problems[0]
