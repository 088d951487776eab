"""Files and folders that are whole or absent, whoever else writes and whatever cannot be deleted.

Rot never becomes data: whatever a stage wrote is held against its digest where it is read.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from data_params import make_params, make_source, write_lines

from cocktail.config import Params
from cocktail.data.grid import Asked, Run
from cocktail.data.mixture import Mixture, read_mixture, write_mixtures
from cocktail.data.prepare import prepare
from cocktail.data.table import read_split
from cocktail.errors import CocktailError
from cocktail.files.records import (
    DIGESTS,
    check_listed,
    fresh_file,
    fresh_folder,
    list_digests,
    read_digested,
    read_json,
    read_table,
    write_digested,
    write_json,
)
from cocktail.runs.finished import NOT_TRAINED, Answered, Finished, write_runs
from cocktail.scoring.answers import read_answers, read_asked
from cocktail.sources.fetch import fetch_sources

ROOT = Path(__file__).parents[2]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    """In two containers they may have the same process number, as here."""
    with fresh_file(tmp_path / "a") as first:
        first.write_text("first")
        with fresh_file(tmp_path / "a") as second:
            second.write_text("second")
        assert (tmp_path / "a").read_text() == "second"
    assert (tmp_path / "a").read_text() == "first"
    assert names(tmp_path) == ["a"]


def test_two_writers_of_one_folder_do_not_meet(tmp_path: Path) -> None:
    with fresh_folder(tmp_path / "a") as first:
        (first / "file").write_text("first")
        with fresh_folder(tmp_path / "a") as second:
            (second / "file").write_text("second")
        assert (tmp_path / "a/file").read_text() == "second"
    assert (tmp_path / "a/file").read_text() == "first"
    assert names(tmp_path) == ["a"]


def test_what_does_not_end_well_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/old").write_text("old")
    with pytest.raises(ZeroDivisionError), fresh_folder(tmp_path / "a") as draft:
        (draft / "new").write_text("new")
        raise ZeroDivisionError
    assert (names(tmp_path), names(tmp_path / "a")) == (["a"], ["old"])


def test_an_old_folder_that_cannot_be_deleted_does_not_cost_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the old one goes, then the disk says no."""
    (tmp_path / "a").mkdir()
    for name in ("one", "two"):
        (tmp_path / "a" / name).write_text("old")

    def refuse(path: Path, ignore_errors: bool = False) -> None:
        if path.exists():
            next(path.iterdir()).unlink()
            if not ignore_errors:
                raise PermissionError(path)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", refuse)
        with fresh_folder(tmp_path / "a") as draft:
            (draft / "new").write_text("new")
    assert names(tmp_path / "a") == ["new"]
    (left,) = [path for path in tmp_path.iterdir() if path.name != "a"]
    assert left.name.startswith(".a.") and left.suffix == ".tmp"


def test_the_old_folder_is_put_back_where_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/old").write_text("old")
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Any:
        if (self / "new").exists():
            raise PermissionError(target)
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        patch.setattr(Path, "replace", refuse)
        with pytest.raises(PermissionError), fresh_folder(tmp_path / "a") as draft:
            (draft / "new").write_text("new")
    assert (names(tmp_path), names(tmp_path / "a")) == (["a"], ["old"])


def test_content_is_on_the_disk_before_it_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a loss of power leaves the name with an empty file."""
    log: list[str] = []
    sync = os.fsync

    def noted(descriptor: int) -> None:
        log.append(Path(f"/proc/self/fd/{descriptor}").readlink().relative_to(tmp_path).as_posix())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    with fresh_folder(tmp_path / "a") as draft:
        (draft / "sub").mkdir()
        (draft / "sub/file").write_text("x")
    assert set(log[:-1]) == {draft.name, f"{draft.name}/sub", f"{draft.name}/sub/file"}
    assert log[-1] == "."
    log.clear()
    write_json(tmp_path / "b.json", 1)
    assert [name.startswith(".b.json.") for name in log] == [True, False]


@pytest.mark.slow
def test_dvc_does_not_see_drafts(tmp_path: Path) -> None:
    """One that a killed process left in a stage's input would make the stage stale."""
    shutil.copyfile(ROOT / ".dvcignore", tmp_path / ".dvcignore")

    def dvc(*arguments: str) -> str:
        environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
        command = [sys.executable, "-m", "dvc", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True).stdout

    dvc("init", "--no-scm", "--quiet")
    with fresh_folder(tmp_path / "a") as draft:
        left = draft.name
    with fresh_file(tmp_path / "b.json") as file:
        file.touch()
    assert dvc("check-ignore", left, file.name, "a", "b.json").split() == [left, file.name]


ANSWERS = pd.DataFrame({"item": ["fpb:test:0", "fpb:test:1"], "answer": ["positive", "negative"]})


def flip(path: Path, bit: int) -> None:
    """Change one bit in place, as a disk does."""
    content = bytearray(path.read_bytes())
    content[bit // 8 % len(content)] ^= 1 << bit % 8
    path.write_bytes(content)


def fetched(folder: Path) -> Params:
    """Raw files of two sources below ``folder``/raw, as stage fetch leaves them."""
    rows = [json.dumps({"sentence": f"Profit rose by {n} percent", "label": n % 3}) for n in range(20)]
    write_lines(folder / "mirror/org/name/data/train.jsonl", *rows)
    write_lines(folder / "mirror/org/name/test.jsonl", *(row.replace("rose", "fell") for row in rows))
    sources = {name: make_source() for name in make_params().fetch.sources}
    sources["fpb"] = make_source(("data/train.jsonl", "train"), ("test.jsonl", "test"))
    params = make_params(fetch={"backend": "mirror", "mirror": str(folder / "mirror"), "sources": sources})
    fetch_sources(folder / "raw", params.fetch)
    return params


def raw(folder: Path) -> Callable[[], Any]:
    params = fetched(folder)
    return lambda: prepare(folder / "raw", folder / "out", params=params)


def prepared(folder: Path) -> Callable[[], Any]:
    prepare(folder / "raw", folder / "prepared", params=fetched(folder))
    splits = ("train", "dev", "test")

    def read() -> None:
        read_json(folder / "prepared/tasks.json")
        for split in splits:
            read_split(folder / "prepared", "fpb", split)

    return read


def mixtures(folder: Path) -> Callable[[], Any]:
    mixture = Mixture("all", "all", ("fpb",), ("fpb:train:0",), {"fpb": 1}, {"fpb": 1})
    write_mixtures(folder / "mixtures", {"all": mixture})
    return lambda: read_mixture(folder / "mixtures", "all")


def answers(folder: Path) -> Callable[[], Any]:
    receipt = {"answered": 2, "empty_answers": 0, "not_stopped": 0, "made_on": "cpu"}
    answered = Answered(Asked("fpb", True, None), "key", lambda: ANSWERS, receipt)
    run = Run(id="base", kind="base", sources=(), seed=42, asked=(answered.asked,))
    write_runs(folder / "answers", [Finished(run, {}, NOT_TRAINED, (answered,))], lock="")

    def read() -> None:
        read_answers(folder / "answers")
        read_asked(folder / "answers", "base")

    return read


KINDS = {
    "raw": (raw, ("raw/fpb/data/train.jsonl", "raw/fpb/test.jsonl")),
    "prepared": (
        prepared,
        ("prepared/fpb/train.parquet", "prepared/fpb/test.parquet", "prepared/tasks.json"),
    ),
    "mixtures": (mixtures, ("mixtures/all.json",)),
    "answers": (answers, ("answers/base.parquet", "answers/base.json", "answers/index.json")),
}
FILES = [(kind, name) for kind, (_, names) in KINDS.items() for name in names]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), FILES)
def test_no_flipped_bit_is_read_in_silence(kind: str, name: str, tmp_path: Path) -> None:
    read = KINDS[kind][0](tmp_path)
    read()
    path, generator = tmp_path / name, random.Random(name)
    whole = path.read_bytes()
    for _ in range(20):
        flip(path, generator.randrange(8 * len(whole)))
        with pytest.raises(CocktailError) as caught:
            read()
        assert caught.value.where and caught.value.fix, caught.value
        path.write_bytes(whole)
    read()


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), FILES)
def test_a_list_that_rots_is_no_reason_to_believe(kind: str, name: str, tmp_path: Path) -> None:
    read = KINDS[kind][0](tmp_path)
    listing = (tmp_path / name).with_name(DIGESTS)
    whole = listing.read_bytes()
    for content in (whole[:-20], b"[]", b"{}", b""):
        listing.write_bytes(content)
        with pytest.raises(CocktailError):
            read()
    listing.unlink()
    read()  # as older versions left it


@pytest.mark.slow
def test_every_file_of_an_output_is_listed(tmp_path: Path) -> None:
    for kind, (make, _) in KINDS.items():
        make(tmp_path / kind)
        for path in (tmp_path / kind).rglob("*"):
            ours = "mirror" not in path.parts
            if ours and path.is_file() and path.name != DIGESTS:
                assert path.name in json.loads(path.with_name(DIGESTS).read_bytes()), path


def test_a_file_that_nobody_listed_is_not_taken(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", 1)
    list_digests(tmp_path)
    write_json(tmp_path / "b.json", 2)
    write_json(tmp_path / "runtime.json", 3)
    assert (read_json(tmp_path / "a.json"), read_json(tmp_path / "runtime.json")) == (1, 3)
    with pytest.raises(CocktailError) as caught:
        read_json(tmp_path / "b.json")
    assert caught.value.where == str(tmp_path / "b.json") and "fsck --mend" in caught.value.fix


def test_what_is_checked_is_what_is_read(tmp_path: Path) -> None:
    """A table is read once: its bytes are not fetched anew between the check and the reading."""
    path = tmp_path / "a.parquet"
    ANSWERS.to_parquet(path, index=False)
    list_digests(tmp_path)
    pd.testing.assert_frame_equal(read_table(path), pd.read_parquet(path))
    check_listed(path)


@pytest.mark.slow
def test_a_file_without_a_list_has_its_digest_within(tmp_path: Path) -> None:
    path, facts = tmp_path / "phi3_smoke.json", {"choices": {"fpb": {"dev_accuracy": 0.5}}, "floors": {}}
    write_digested(path, facts)
    whole, generator = path.read_bytes(), random.Random(1)
    assert read_digested(path) == facts
    for _ in range(200):
        flip(path, generator.randrange(8 * len(whole)))
        try:
            found = read_digested(path)
        except CocktailError as error:
            assert error.where and error.fix
        else:  # the bit was in the name of the digest, or in white space
            assert {name: found[name] for name in facts} == facts
        path.write_bytes(whole)
    write_json(path, facts)
    assert read_digested(path) == facts  # as older versions wrote it
