"""The pool: every job is done once, failures are named and stop nothing else, a killed worker is an error."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cocktail.errors import BusyError, RunError
from cocktail.execution import pool
from cocktail.execution.pool import Job, run_jobs


@pytest.fixture(autouse=True)
def light_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """No training libraries in the fork server: the jobs here need none."""
    monkeypatch.setattr(pool, "PRELOAD", [])


def note(path: Path, wait: bool) -> None:
    """A job: leave a file with the settings of the process."""
    if path.name == "told":
        raise RunError("no rows", where=path.name)
    if path.name == "unknown":
        raise ValueError("of a library")
    if path.name == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    import torch

    path.write_text(
        f"{torch.get_num_threads()} {os.environ['OMP_NUM_THREADS']} {os.environ['HF_HUB_OFFLINE']}"
    )


def jobs_for(folder: Path, *names: str) -> list[Job[Path]]:
    return [Job(name, size, folder / name) for size, name in enumerate(names)]


def test_all_jobs_are_done_with_one_thread_each(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = dict(os.environ)
    assert run_jobs(jobs_for(tmp_path, "a", "b", "c"), note, workers=1, label="test") == {}
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == dict.fromkeys("abc", "1 1 1")
    assert dict(os.environ) == before
    lines = capfd.readouterr().err.splitlines()
    assert [line.split()[2] for line in lines] == ["c", "b", "a"]  # the longest first; one line per run
    assert lines[-1].startswith("test: 3/3 a done")


def test_a_failed_run_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    failed = run_jobs(jobs_for(tmp_path, "a", "told", "unknown", "b"), note, workers=1, label="test")
    assert sorted(failed) == ["told", "unknown"]
    assert failed["told"] == str(RunError("no rows", where="told"))
    assert failed["unknown"] == "ValueError: of a library"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a", "b"]


def test_a_killed_worker_fails_its_own_run_only(tmp_path: Path) -> None:
    """A new worker takes its place; the others, before and after, are done."""
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        folder.mkdir()
        failed = run_jobs(jobs_for(folder, "a", "b", "killed", "c"), note, workers=workers, label="test")
        assert list(failed) == ["killed"]
        assert "killed" in failed["killed"]
        assert sorted(file.name for file in folder.iterdir()) == ["a", "b", "c"]


def take_turns(path: Path, wait: bool) -> None:
    """A job: others are at "held" until "free" is done."""
    if path.name == "held" and not wait:
        raise BusyError("another process is at it")
    path.write_text(" ".join(sorted(file.name for file in path.parent.iterdir())))


def test_a_run_that_another_process_makes_is_put_off(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """First all that is free, then those are waited for."""
    assert run_jobs(jobs_for(tmp_path, "free", "held"), take_turns, workers=1, label="test") == {}
    assert (tmp_path / "held").read_text() == "free"
    assert [line.split()[2] for line in capfd.readouterr().err.splitlines()] == ["free", "held"]


def test_gpus_are_dealt_in_groups() -> None:
    assert pool._gpu_groups(["0", "1", "2", "3", "4"], 2) == [("0", "1"), ("2", "3")]
    assert pool._gpu_groups(["0", "1"], 1) == [("0",), ("1",)]
    assert pool._gpu_groups([], 1) == []


def test_more_gpus_a_run_than_there_are_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "visible_gpus", lambda: ["0", "1"])
    with pytest.raises(RunError) as caught:
        run_jobs(jobs_for(tmp_path, "a"), see, workers=None, label="test", gpus_per_worker=4)
    assert "only 2 GPUs" in caught.value.what


def see(path: Path, wait: bool) -> None:
    """A job: say which GPUs its process may use."""
    path.write_text(os.environ["CUDA_VISIBLE_DEVICES"])


def test_each_worker_has_gpus_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "visible_gpus", lambda: ["4", "5", "6", "7"])
    assert run_jobs(jobs_for(tmp_path, "a", "b"), see, workers=None, label="test", gpus_per_worker=2) == {}
    assert {file.read_text() for file in tmp_path.iterdir()} <= {"4,5", "6,7"}


def stay(path: Path, wait: bool) -> None:
    """A job: say who does it, and go on for long."""
    path.write_text(str(os.getpid()))
    time.sleep(60)


def _stage(folder: Path) -> None:
    pool.PRELOAD = []
    run_jobs([Job("long", 1, folder / "worker")], stay, workers=1, label="test")


def alive(process: int) -> bool:
    """Whether a process runs; one that is dead but was not yet waited for does not."""
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks at processes through /proc")
def test_workers_go_when_the_stage_is_killed(tmp_path: Path) -> None:
    stage = multiprocessing.get_context("spawn").Process(target=_stage, args=(tmp_path,))
    stage.start()
    wait_for(lambda: (tmp_path / "worker").exists() and bool((tmp_path / "worker").read_text()))
    worker = int((tmp_path / "worker").read_text())
    assert alive(worker)
    stage.kill()
    wait_for(lambda: not alive(worker))


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 50
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)
