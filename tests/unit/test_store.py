"""The run store: whole entries, found by what they were made of, checked before use."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import shutil
import time
from pathlib import Path

import pytest
from filelock import Timeout

from cocktail.errors import RunError
from cocktail.files import store as store_module
from cocktail.files.store import Store, read_runtime, store_root, write_runtime

KEY = "ab" + "0" * 62


def stored(root: Path) -> Store:
    store = Store(root)
    with store.publish("runs", KEY) as folder:
        (folder / "model.safetensors").write_bytes(b"weights")
        write_runtime(folder, {"seconds": 1.0})
    return store


def test_an_entry_is_found_again_and_another_key_is_not(tmp_path: Path) -> None:
    store = stored(tmp_path)
    folder = store.have("runs", KEY)
    assert folder
    assert (folder / "model.safetensors").read_bytes() == b"weights"
    assert store.have("answers", KEY) is None
    assert store.have("runs", "cd" + KEY[2:]) is None


DAMAGES = ("flipped byte", "missing file", "one file more", "no digests", "no entry at all")
DIGESTS = ("", "{}", "[]", "null", '{"model.safetensors": 1}', '{"model.safetensors"')


def damage(entry: Path, how: str) -> None:
    file, digests = entry / "model.safetensors", entry / "digests.json"
    if how == "flipped byte":
        file.write_bytes(b"weighty")
    elif how == "missing file":
        file.unlink()
    elif how == "one file more":
        (entry / "other.safetensors").write_bytes(b"weights")
    elif how == "no digests":
        digests.unlink()
    elif how == "no entry at all":
        file.unlink()
        digests.write_text("{}")
    else:
        digests.write_text(how)


@pytest.mark.parametrize("how", [*DAMAGES, *DIGESTS])
def test_a_broken_entry_is_set_aside_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    """Else it would stop its run for ever; and what it was stays, for whoever wants to know why."""
    store = stored(tmp_path)
    folder = store.path("runs", KEY)
    damage(folder, how)
    before = sorted(file.name for file in folder.iterdir())
    assert store.have("runs", KEY) is None
    assert not folder.exists()
    (aside,) = (tmp_path / "broken/runs").iterdir()
    assert sorted(file.name for file in aside.iterdir()) == before
    (line,) = capsys.readouterr().err.splitlines()
    assert str(folder) in line and str(aside) in line
    assert store.have("runs", KEY) is None
    assert capsys.readouterr().err == ""
    stored(tmp_path)
    assert store.have("runs", KEY)


@pytest.mark.parametrize("again", [False, True])
def test_a_broken_entry_that_another_process_set_aside_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], again: bool
) -> None:
    """Between the look and the move the other one takes it away, and may have made it again."""
    store = stored(tmp_path)
    folder = store.path("runs", KEY)
    damage(folder, "flipped byte")
    fault = store_module.fault_of

    def slow(entry: Path) -> str | None:
        found = fault(entry)
        if entry == folder:
            shutil.rmtree(folder)
            if again:
                stored(tmp_path)
        return found

    monkeypatch.setattr(store_module, "fault_of", slow)
    assert store.have("runs", KEY) == (folder if again else None)
    assert folder.exists() == again
    assert capsys.readouterr().err == ""
    assert not list(tmp_path.glob("broken/runs/*"))


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = stored(tmp_path)
    damage(store.path("runs", KEY), "flipped byte")

    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(RunError) as caught:
        store.have("runs", KEY)
    assert caught.value.where == str(store.path("runs", KEY))
    assert "Read-only" in caught.value.what


def test_files_that_a_file_system_hides_are_no_damage(tmp_path: Path) -> None:
    store = stored(tmp_path)
    (store.path("runs", KEY) / ".nfs0001").touch()
    assert store.have("runs", KEY)


@pytest.mark.parametrize("text", [None, "", "[]", "{"])
def test_times_that_cannot_be_read_are_no_damage(tmp_path: Path, text: str | None) -> None:
    """They say what a run cost, and decide nothing."""
    store = stored(tmp_path)
    file = store.path("runs", KEY) / "runtime.json"
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    folder = store.have("runs", KEY)
    assert folder
    assert read_runtime(folder) == {}


def test_runtime_is_no_part_of_the_digests(tmp_path: Path) -> None:
    store = stored(tmp_path)
    folder = store.path("runs", KEY)
    assert set(json.loads((folder / "digests.json").read_text())) == {"model.safetensors"}
    write_runtime(folder, {"seconds": 2.0})
    assert store.have("runs", KEY)


def test_what_did_not_end_well_is_not_there(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(ZeroDivisionError), store.publish("runs", KEY) as folder:
        (folder / "model.safetensors").write_bytes(b"half")
        raise ZeroDivisionError
    assert store.have("runs", KEY) is None
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def _hold(root: Path, log: Path) -> None:
    with Store(root).lock(KEY):
        with log.open("a") as stream:
            stream.write("in\n")
        time.sleep(0.2)
        with log.open("a") as stream:
            stream.write("out\n")


@pytest.mark.slow
def test_two_processes_never_hold_one_key(tmp_path: Path) -> None:
    log = tmp_path / "log"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_hold, args=(tmp_path, log)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert log.read_text().split() == ["in", "out", "in", "out"]


def test_the_place_of_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COCKTAIL_STORE", raising=False)
    copy = tmp_path / ".dvc" / "tmp" / "exps" / "standalone" / "tmp1"
    copy.mkdir(parents=True)
    for place in (tmp_path, copy):  # an experiment's copy shares the store of its repository
        monkeypatch.chdir(place)
        assert store_root() == tmp_path / ".store"
    monkeypatch.setenv("COCKTAIL_STORE", str(tmp_path / "elsewhere"))
    assert store_root() == tmp_path / "elsewhere"


def test_a_time_out_of_the_work_is_not_taken_for_a_busy_key(tmp_path: Path) -> None:
    with pytest.raises(Timeout), Store(tmp_path).lock("ab12"):
        raise Timeout("another lock")
    with Store(tmp_path).lock("ab12", wait=False):
        pass  # and the key is free again


def test_drafts_of_killed_processes_are_swept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    draft = store.path("runs", "ab12").with_name(".ab12.77.tmp")
    other = store.path("runs", "ab13").with_name(".ab13.77.tmp")
    for folder in (draft, other):
        folder.mkdir(parents=True)
    with store.publish("runs", "ab12") as folder:
        (folder / "file").touch()
    assert (draft.exists(), other.exists()) == (False, True)


def test_weights_are_for_those_who_may_read_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries write them for this user alone, whatever the umask says."""
    before = os.umask(0o027)
    try:
        with Store(tmp_path).publish("tuned", KEY) as folder:
            (folder / "model.safetensors").touch(mode=0o600)
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in Store(tmp_path).path("tuned", KEY).iterdir()}
    assert modes == {"model.safetensors": 0o640, "digests.json": 0o640}


@pytest.mark.parametrize(("mode", "file", "folder"), [("660", 0o660, 0o770), ("0640", 0o640, 0o750)])
def test_a_store_can_be_shared(
    mode: str, file: int, folder: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COCKTAIL_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("COCKTAIL_STORE_MODE", mode)
    before = os.umask(0o077)
    try:
        store = Store(store_root())
        with store.lock(KEY), store.publish("tuned", KEY) as draft:
            (draft / "model.safetensors").touch(mode=0o600)
    finally:
        os.umask(before)
    modes = {path.is_dir(): path.stat().st_mode & 0o777 for path in (tmp_path / "store").rglob("*")}
    assert modes == {True: folder, False: file}


@pytest.mark.parametrize("mode", ["group", "7", "0o660", "066", "888"])
def test_a_mode_that_is_none_is_refused(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKTAIL_STORE_MODE", mode)
    with pytest.raises(RunError, match="no mode of files"):
        store_root()
