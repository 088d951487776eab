"""The run store: whole entries, found by what they were made of, checked before use."""

from __future__ import annotations

import json
import multiprocessing
import time
from pathlib import Path

import pytest
from filelock import Timeout

from cocktail.errors import RunError
from cocktail.store import Store, store_root, write_runtime

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


def test_a_flipped_byte_is_found(tmp_path: Path) -> None:
    store = stored(tmp_path)
    file = store.path("runs", KEY) / "model.safetensors"
    file.write_bytes(b"weighty")
    with pytest.raises(RunError) as caught:
        store.have("runs", KEY)
    assert caught.value.where == str(file)
    assert str(store.path("runs", KEY)) in caught.value.fix


def test_a_missing_file_is_found(tmp_path: Path) -> None:
    store = stored(tmp_path)
    (store.path("runs", KEY) / "model.safetensors").unlink()
    with pytest.raises(RunError):
        store.have("runs", KEY)


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


def test_an_entry_without_readable_digests_says_what_mends_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.publish("runs", "ab12") as folder:
        (folder / "file").write_text("text")
    (store.path("runs", "ab12") / "digests.json").write_text("")
    with pytest.raises(RunError) as caught:
        store.have("runs", "ab12")
    assert caught.value.fix == f"rm -r {store.path('runs', 'ab12')}"


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
    store.sweep("runs", "ab12")
    assert (draft.exists(), other.exists()) == (False, True)
