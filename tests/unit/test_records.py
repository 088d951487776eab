"""Files and folders that are whole or absent, whoever else writes and whatever cannot be deleted."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cocktail.files.records import fresh_file, fresh_folder, write_json

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
