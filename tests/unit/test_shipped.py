"""Shipped bases: taken if of the recipe, refused where a file was changed, made anew by command."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_model import MODEL

from cocktail.config import ModelConfig
from cocktail.errors import SourceError
from cocktail.files.records import digest_file
from cocktail.files.store import Store, write_runtime
from cocktail.training.base import write_base_receipt
from cocktail.training.bases import scratch
from cocktail.training.bases.scratch import WEIGHTS, copy_base, ship_base, shipped_base
from cocktail.training.keys import base_identity

NAME = "phi3_made_up"


def made(folder: Path, config: ModelConfig, weights: bytes = b"made-up weights") -> Path:
    folder.mkdir(parents=True)
    (folder / WEIGHTS).write_bytes(weights)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    write_base_receipt(folder, {"kind": "scratch", "identity": base_identity(config, source="")})
    return folder


def test_a_base_of_the_recipe_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = made(tmp_path / NAME, MODEL)
    assert shipped_base(NAME, MODEL, bases=tmp_path) == folder
    named = MODEL.model_copy(update={"sha256": digest_file(folder / WEIGHTS)})
    assert shipped_base(NAME, named, bases=tmp_path) == folder
    (tmp_path / "out").mkdir()
    copy_base(folder, tmp_path / "out")
    assert {f.name: f.read_bytes() for f in folder.iterdir()} == {
        f.name: f.read_bytes() for f in (tmp_path / "out").iterdir()
    }


def test_another_recipe_is_made_from_scratch(tmp_path: Path) -> None:
    made(tmp_path / NAME, MODEL)
    wider = MODEL.model_copy(update={"feed_forward": 2 * (MODEL.feed_forward or 0)})
    assert shipped_base(NAME, wider, bases=tmp_path) is None
    assert shipped_base("phi3_other", MODEL, bases=tmp_path) is None


@pytest.mark.parametrize("file", [WEIGHTS, "config.json"])
def test_a_changed_file_is_named_with_its_mend(tmp_path: Path, file: str) -> None:
    folder = made(tmp_path / NAME, MODEL)
    (folder / file).write_bytes(b"another")
    with pytest.raises(SourceError, match=f"changed: {file}") as caught:
        shipped_base(NAME, MODEL, bases=tmp_path)
    assert f"cocktail pretrain {NAME}" in str(caught.value.fix)


def test_weights_that_conf_does_not_name_are_refused(tmp_path: Path) -> None:
    made(tmp_path / NAME, MODEL)
    with pytest.raises(SourceError, match=WEIGHTS):
        shipped_base(NAME, MODEL.model_copy(update={"sha256": "0" * 64}), bases=tmp_path)


def test_a_base_is_shipped_without_what_the_store_notes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = made(tmp_path / "entry", MODEL)
    write_runtime(entry, {"seconds": 1.0})
    monkeypatch.setattr(scratch, "from_scratch", lambda *_, **__: entry)
    old = made(tmp_path / "bases" / NAME, MODEL, weights=b"old")
    digest = ship_base(NAME, MODEL, bases=tmp_path / "bases", store=Store(tmp_path / "store"))
    assert digest == digest_file(entry / WEIGHTS) == digest_file(old / WEIGHTS)
    assert {file.name for file in old.iterdir()} == {WEIGHTS, "config.json", "base.json"}
    assert shipped_base(NAME, MODEL, bases=tmp_path / "bases") == old
