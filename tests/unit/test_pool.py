"""The pool: every job is done once, failures are named and stop nothing else, a killed worker is an error."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cocktail import life
from cocktail.errors import BusyError, RunError
from cocktail.runs import pool, worker
from cocktail.runs.pool import run_jobs
from cocktail.runs.rounds import Job

pytestmark = pytest.mark.slow

WAIT = 300.0  # seconds that only a machine with other work comes near


@pytest.fixture(autouse=True)
def light_workers(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Of the training libraries torch alone, which every worker imports. No GPUs of this machine."""
    monkeypatch.setattr(pool, "LEASES", tmp_path_factory.mktemp("leases"))
    monkeypatch.setattr(worker, "PRELOAD", ["cocktail.training.device"])


LIGHT = """
import sys, types
sys.modules["cocktail.training.device"] = device = types.ModuleType("cocktail.training.device")
device.limit_threads = lambda count: None
"""


@pytest.fixture
def light(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """New processes have this in place of what imports torch and transformers, for four seconds.

    Not where the workers are forked in this process: other files of tests use its fork server, too.
    """
    folder = tmp_path_factory.mktemp("light")
    (folder / "sitecustomize.py").write_text(LIGHT, encoding="utf-8")
    given = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *([given] if given else [])]))


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


def test_a_long_tmpdir_is_no_hindrance(tmp_path: Path, light: None) -> None:
    """The system cuts the paths of sockets at 107 bytes; in a process of its own, for TMPDIR is read once."""
    long = tmp_path / ("x" * 103)
    long.mkdir()
    code = (
        "from pathlib import Path\nfrom test_pool import jobs_for, note\n"
        "from cocktail.runs import worker\nfrom cocktail.runs.pool import run_jobs\n"
        "worker.PRELOAD = ['cocktail.training.device']\n"
        "if __name__ == '__main__':\n"
        f"    jobs = jobs_for(Path({str(tmp_path)!r}), 'a')\n"
        "    assert run_jobs(jobs, note, workers=1, label='test') == {}\n"
    )
    script = tmp_path / "run.py"
    script.write_text(code, encoding="utf-8")
    folders = [os.environ["PYTHONPATH"], str(Path(__file__).parent), str(Path(__file__).parents[2] / "src")]
    environment = {**os.environ, "TMPDIR": str(long), "PYTHONPATH": os.pathsep.join(folders)}
    ran = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert (tmp_path / "a").exists()


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


def leave(path: Path, wait: bool) -> None:
    """A job: end the process, as if all were well."""
    path.touch()
    if path.name == "exits":
        sys.exit(0)
    if path.name == "vanishes":
        os._exit(0)


@pytest.mark.parametrize("how", ["exits", "vanishes"])
def test_a_job_that_ends_its_process_with_0_has_failed(tmp_path: Path, how: str) -> None:
    """Its exit went through the pool, and the stage ended well with half of its runs."""
    failed = run_jobs(jobs_for(tmp_path, "a", how, "b"), leave, workers=1, label="test")
    assert list(failed) == [how]
    assert "ended its" in failed[how] or "ended itself" in failed[how]
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(["a", "b", how])


def fall_silent(path: Path, wait: bool) -> None:
    """A job: hang, or be held (SIGSTOP), at the first try or always; "works" gives signs of life."""
    tries = len(list(path.parent.glob(f"{path.name}.*")))
    path.with_name(f"{path.name}.{tries}").touch()
    if path.name == "works":
        for _ in range(30):
            time.sleep(0.2)
            life.alive()
    elif path.name == "held" and tries == 0:
        os.kill(os.getpid(), signal.SIGSTOP)
    elif path.name == "hangs" or tries == 0:
        time.sleep(3600)


def test_a_silent_worker_is_ended_and_its_run_tried_once_more(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    jobs = jobs_for(tmp_path, "works", "hung", "held", "hangs")
    failed = run_jobs(jobs, fall_silent, workers=2, label="test", silence=3.0)
    assert list(failed) == ["hangs"]
    assert "no sign of life" in failed["hangs"] and "twice" in failed["hangs"]
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(
        ["works.0", "hung.0", "hung.1", "held.0", "held.1", "hangs.0", "hangs.1"]
    )
    lines = [line for line in capfd.readouterr().err.splitlines() if "tried again" in line]
    assert sorted(line.split(":")[0] for line in lines) == ["hangs", "held", "hung"]


def stop_oneself(path: Path, wait: bool) -> None:
    """A job: "stopped" gets SIGTERM; the next one must not."""
    if path.name == "stopped":
        os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.2)
    life.alive()
    path.touch()


def test_a_worker_that_is_told_to_stop_stops_its_own_run_only(tmp_path: Path) -> None:
    failed = run_jobs(jobs_for(tmp_path, "a", "stopped", "b"), stop_oneself, workers=1, label="test")
    assert list(failed) == ["stopped"]
    assert "stopped by SIGTERM" in failed["stopped"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a", "b"]


def save_and_leave(path: Path, wait: bool) -> None:
    """A job: go on until the stage is told to stop, and save then; "held" does not hear of it."""
    path.write_text(str(os.getpid()))
    if path.name == "held":
        time.sleep(3600)
    while not life.stopping():
        time.sleep(0.05)
    time.sleep(2.5)  # by then the stage knows that its parent is gone, too
    path.with_name("saved").touch()


STAGE = """
import os, sys
sys.path[:0] = {path!r}
from pathlib import Path
import test_pool
from cocktail.runs import worker
from cocktail.stage import run_stage
folder = Path({folder!r})
(folder / "stage").write_text(str(os.getpid()))
worker.PRELOAD = ["cocktail.training.device"]
worker.GRACE = {grace}
jobs = test_pool.jobs_for(folder, "next", {name!r})
run_stage(lambda: test_pool.run_jobs(jobs, test_pool.save_and_leave, workers=1, label="test"))
"""
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks at processes through /proc")
@pytest.mark.parametrize("to", ["stage", "group", "parent"])
@pytest.mark.parametrize(("name", "grace"), [("long", 60), ("held", 1)])
def test_a_stage_that_is_told_to_stop_lets_its_workers_save(
    tmp_path: Path, light: None, name: str, grace: int, to: str
) -> None:
    """By SIGTERM to itself or to all its processes, or because DVC, which started it, is gone."""
    stage = STAGE.format(path=sys.path, folder=str(tmp_path), name=name, grace=grace)
    command = [sys.executable, "-c", *([] if to == "stage" else [PARENT]), stage]
    with (tmp_path / "told").open("w") as told:
        process = subprocess.Popen(
            command, env={**os.environ, life.STAGE: "test"}, stderr=told, start_new_session=True
        )
    wait_for(lambda: (tmp_path / name).exists() and bool((tmp_path / name).read_text()))
    if to == "parent":
        process.kill()
    elif to == "group":
        os.killpg(process.pid, signal.SIGTERM)
    else:
        process.terminate()
    assert process.wait(WAIT) == {"stage": 143, "group": -signal.SIGTERM, "parent": -signal.SIGKILL}[to]
    wait_for(lambda: not any(alive(int((tmp_path / one).read_text())) for one in ("stage", name)))
    assert (tmp_path / "saved").exists() == (name == "long")
    assert not (tmp_path / "next").exists()
    lines = (tmp_path / "told").read_text().splitlines()
    assert lines == ["stopped by SIGTERM: the same command goes on"]


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


def test_each_worker_has_gpus_of_its_own(
    tmp_path: Path, light: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "visible_gpus", lambda: ["4", "5", "6", "7"])
    assert run_jobs(jobs_for(tmp_path, "a", "b"), see, workers=None, label="test", gpus_per_worker=2) == {}
    assert {file.read_text() for file in tmp_path.iterdir()} <= {"4,5", "6,7"}


LEASING = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from cocktail.runs import pool
pool.LEASES = Path({leases!r})
with pool.leased([("0",), ("GPU-a/1", "3")], most={most}, label="other") as held:
    print(held, flush=True)
    sys.stdin.read()
"""


def another_stage(most: int) -> subprocess.Popen[str]:
    script = LEASING.format(path=sys.path, leases=str(pool.LEASES), most=most)
    other = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout and "0" in other.stdout.readline()
    return other


def test_gpus_of_another_stage_are_left_to_it(
    tmp_path: Path, light: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where two workers share a GPU: no more than two come to the free one."""
    monkeypatch.setattr(pool, "visible_gpus", lambda: ["0", "1"])
    with another_stage(most=1) as other:
        assert run_jobs(jobs_for(tmp_path, *"abcd"), see, workers=4, label="test") == {}
        other.kill()
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == dict.fromkeys("abcd", "1")


def test_where_all_gpus_are_taken_they_are_waited_for(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A lease ends with its holder, also with one that was killed; a group is taken whole."""
    monkeypatch.setattr(pool, "PAUSE", 0.1)
    groups = [("3", "4"), ("0",)]
    with another_stage(most=2) as other:
        waiting = threading.Timer(1.0, other.kill)
        waiting.start()
        with pool.leased(groups, most=1, label="test") as held:
            assert other.wait(WAIT) == -signal.SIGKILL
            assert held == [("3", "4")]
            with pool.leased([("4",), ("0",)], most=2, label="third") as rest:
                assert rest == [("0",)]
    assert capfd.readouterr().err.count("waiting") == 1


def stay(path: Path, wait: bool) -> None:
    """A job: say who does it, and go on for long."""
    path.write_text(str(os.getpid()))
    time.sleep(60)


def _stage(folder: Path) -> None:
    worker.PRELOAD = ["cocktail.training.device"]
    run_jobs([Job("long", 1, folder / "worker")], stay, workers=1, label="test")


def alive(process: int) -> bool:
    """Whether a process runs; one that is dead but was not yet waited for does not."""
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks at processes through /proc")
def test_workers_go_when_the_stage_is_killed(tmp_path: Path, light: None) -> None:
    stage = multiprocessing.get_context("spawn").Process(target=_stage, args=(tmp_path,))
    stage.start()
    wait_for(lambda: (tmp_path / "worker").exists() and bool((tmp_path / "worker").read_text()))
    process = int((tmp_path / "worker").read_text())
    assert alive(process)
    stage.kill()
    wait_for(lambda: not alive(process))


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)
