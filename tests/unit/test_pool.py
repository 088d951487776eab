"""The pool: every job is done once, failures are named and stop nothing else, a killed worker is an error."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from cocktail.errors import RunError
from cocktail.execution import pool
from cocktail.execution.pool import Job, run_jobs


@pytest.fixture(autouse=True)
def light_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """No training libraries in the fork server: the jobs here need none."""
    monkeypatch.setattr(pool, "PRELOAD", [])


def note(path: Path) -> None:
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
    assert "no rows" in failed["told"]
    assert failed["unknown"] == "ValueError: of a library"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a", "b"]


def test_a_killed_worker_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        run_jobs(jobs_for(tmp_path, "a", "killed"), note, workers=1, label="test")
    assert "killed" in caught.value.where


def test_a_killed_worker_takes_no_finished_run_with_it(tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        run_jobs(jobs_for(tmp_path, "killed", "z"), note, workers=1, label="test")
    assert (tmp_path / "z").exists()
    assert "z" not in caught.value.where
