"""Jobs of Slurm by submitit, whose local executor stands for the queue: interrupted, and queued again.

submitit is an extra that is not in requirements.lock: without it these tests are skipped (docs/scale.md says
how they are run).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import test_runs
from processes import line_of, relatives

from cocktail.config import ExecuteConfig
from cocktail.errors import RunError
from cocktail.files.store import Store
from cocktail.runs import runs as execution
from cocktail.runs import worker
from cocktail.runs.engines import on_slurm
from cocktail.runs.engines.engine import run_jobs
from cocktail.runs.rounds import Job

submitit = pytest.importorskip("submitit", reason="the extra slurm is not installed")
psutil = pytest.importorskip("psutil")
prepared = test_runs.prepared
base = test_runs.base
WAIT = 600.0  # seconds that only a machine with other work comes near


def local(folder: Path, settings: ExecuteConfig) -> Any:
    """The executor of submitit that runs jobs here, and queues them again as Slurm does."""
    executor = submitit.LocalExecutor(folder=folder)
    executor.update_parameters(timeout_min=60, signal_delay_s=60)
    return executor


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_slurm, "executor", local)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


def settings(**slurm: Any) -> ExecuteConfig:
    return ExecuteConfig(
        engine="slurm",
        keep_weights="none",
        gpus_per_run=1,
        checkpoint_minutes=0.0,
        slurm={"gpus": False, **slurm},
    )


def go(folder: Path, work: Any, given: ExecuteConfig, *names: str) -> dict[str, str]:
    jobs = [Job(name, size, folder / name) for size, name in enumerate(names)]
    return run_jobs(jobs, work, settings=given, label="test", store=Store(folder / "store"), files=[])


def note(path: Path, wait: bool) -> None:
    """A job: leave a file; "told" fails, "gone" ends its process."""
    if path.name == "told":
        raise RunError("no rows", where=path.name)
    if path.name == "gone":
        os.kill(os.getpid(), signal.SIGKILL)
    path.write_text("done")


@pytest.mark.slow
def test_runs_share_jobs_and_failures_are_told_by_run(tmp_path: Path, here: None) -> None:
    failed = go(tmp_path, note, settings(runs_per_job=3), "a", "told", "b", "gone", "c")
    assert sorted(failed) == ["gone", "told"]
    assert failed["told"] == str(RunError("no rows", where="told"))
    assert "killed" in failed["gone"]
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"a", "b", "c"}
    assert not list((tmp_path / "store/engines").iterdir())


def test_a_job_that_ends_without_a_result_is_told_for_each_of_its_runs(tmp_path: Path) -> None:
    class Ended:
        job_id = "7_1"
        paths = submitit.core.utils.JobPaths(tmp_path, "7_1")

        def result(self) -> Any:
            raise submitit.core.utils.UncompletedJobError("Job 7_1: no output (state: FAILED)")

    ground: Any = None  # nothing looks at it
    orders = [on_slurm.Order(Job(name, 1, tmp_path), note, False, 1.0, ground) for name in "ab"]
    found = on_slurm._outcomes(Ended(), on_slurm.Batch(orders, gpus=False))
    assert sorted(found) == ["a", "b"]
    assert "7_1" in str(found["a"]) and "state: FAILED" in str(found["a"])


@pytest.mark.slow
def test_an_interrupted_job_saves_and_is_queued_again(
    prepared: Path, base: Path, tmp_path: Path, here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal that Slurm sends before the end of the time: same bytes as undisturbed, stored once."""
    long = [test_runs.replace(test_runs.PAIR, epochs=60.0)]
    monkeypatch.setenv("COCKTAIL_STORE", str(tmp_path / "undisturbed"))
    monkeypatch.setenv("TRAININGS", str(tmp_path / "trainings"))
    test_runs.torch.set_num_threads(1)
    with monkeypatch.context() as patch:
        patch.setattr(execution, "run_jobs", test_runs.in_process)
        undisturbed = test_runs.go(long, prepared=prepared, base=base, out=tmp_path / "here")
    store = tmp_path / "store"
    monkeypatch.setenv("COCKTAIL_STORE", str(store))
    monkeypatch.setattr(execution, "execute", test_runs.both_at_once)
    hits: list[int] = []
    interrupting = threading.Thread(target=interrupt, args=(store, hits))
    interrupting.start()
    params = test_runs.study(execute=settings().model_dump(exclude_unset=True))
    disturbed = test_runs.go(long, prepared=prepared, base=base, out=tmp_path / "out", params=params)
    interrupting.join()
    assert hits, "the run was over before it was interrupted"
    assert disturbed == undisturbed
    assert (tmp_path / "trainings").read_text().split() == [test_runs.PAIR.id] * 2
    assert len(list((store / "runs").glob("*/*"))) == 1


def interrupt(store: Path, hits: list[int]) -> None:
    """Send USR2 to the job's process when the first checkpoint is whole."""
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        if list((store / "checkpoints").rglob("complete.json")):
            for process in relatives(psutil.Process())[1:]:
                if "submitit.core._submit" in line_of(process):
                    process.send_signal(signal.SIGUSR2)
                    hits.append(process.pid)
                    return
        if list((store / "runs").glob("*/*/training.json")):
            return
        time.sleep(0.02)


def test_without_slurm_the_engine_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RunError, match="there is no Slurm here"):
        go(tmp_path, note, settings(), "a")


def command(folder: Path, name: str, body: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    (folder / name).chmod(0o755)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of commands that play Slurm."""
    folder = tmp_path / "bin"
    folder.mkdir()
    command(folder, "srun", "exit 1")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def test_a_queue_that_refuses_is_told_in_its_words(tmp_path: Path, slurm: Path) -> None:
    command(slurm, "sbatch", "echo 'sbatch: error: invalid partition specified: gold' >&2; exit 1")
    with pytest.raises(RunError, match="invalid partition specified: gold"):
        go(tmp_path, note, settings(partition="gold"), "a", "b")


def test_an_option_that_is_none_of_sbatch_is_refused(tmp_path: Path, slurm: Path) -> None:
    with pytest.raises(RunError) as caught:
        go(tmp_path, note, settings(options={"colour": "red"}), "a")
    assert caught.value.where == "execute.slurm.options"


def test_the_array_that_is_submitted_asks_for_what_the_params_say_and_is_cancelled(
    tmp_path: Path, slurm: Path
) -> None:
    """Played: sbatch takes the script; the driver is interrupted, and gives the jobs back."""
    command(slurm, "sbatch", f"cat $1 > {tmp_path}/script; echo Submitted batch job 41")
    command(slurm, "scancel", f"echo $@ >> {tmp_path}/cancelled")
    command(slurm, "sacct", "exit 0")
    given = settings(partition="long", account="lab", minutes=90, options={"mem": "8GB"})
    interrupting = threading.Thread(target=interrupt_main, args=(tmp_path,))
    interrupting.start()
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path, note, given, "a", "b")
    interrupting.join()
    script = (tmp_path / "script").read_text()
    for line in ("partition=long", "account=lab", "time=90", "mem=8GB", "requeue", "array=0-1%2"):
        assert f"#SBATCH --{line}" in script
    assert (tmp_path / "cancelled").read_text().split() == ["41_0", "41_1"]


def interrupt_main(folder: Path) -> None:
    end = time.monotonic() + WAIT
    while not list((folder / "store").glob("engines/*/jobs.json")) and time.monotonic() < end:
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGINT)


def test_the_time_to_save_is_in_the_time_that_slurm_gives() -> None:
    assert on_slurm.requests(settings())["signal_delay_s"] > worker.GRACE
