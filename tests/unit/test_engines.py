"""Engines, without their libraries: what is refused before anything starts, and why a node may not work."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from data_params import make_params

from cocktail.config import ExecuteConfig, SlurmConfig
from cocktail.errors import BusyError, ConfigError, RunError
from cocktail.files.store import Store
from cocktail.runs.engines import common_ground as ground_module
from cocktail.runs.engines import engine, node, on_slurm, ray_cluster
from cocktail.runs.engines.common_ground import CommonGround, check_here, common_ground
from cocktail.runs.engines.node import Order, Post
from cocktail.runs.rounds import Job, Outcome, in_two_rounds


def settings(**changes: Any) -> ExecuteConfig:
    given = {"keep_weights": "none", "gpus_per_run": 1, "checkpoint_minutes": 1.0}
    return ExecuteConfig(**{**given, **changes})


def note(path: Path, wait: bool) -> None:
    path.write_text("done")


def never(path: Path, wait: bool) -> None:
    raise AssertionError("nothing was to start")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "base.json").write_text("{}")
    return tmp_path / "base.json"


@pytest.fixture
def ground(tmp_path: Path, base: Path) -> Iterator[CommonGround]:
    ground_module._check_once.cache_clear()
    with common_ground(Store(tmp_path / "store"), [base]) as found:
        yield found


def jobs_for(folder: Path, *names: str) -> list[Job[Path]]:
    return [Job(name, size, folder / name) for size, name in enumerate(names)]


def go(tmp_path: Path, base: Path, given: ExecuteConfig) -> dict[str, str]:
    jobs, store = jobs_for(tmp_path, "a"), Store(tmp_path / "store")
    return engine.run_jobs(jobs, never, settings=given, label="test", store=store, files=[base])


@pytest.mark.parametrize("name", ["ray", "slurm"])
def test_an_engine_that_is_not_installed_is_refused(
    name: str, tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(engine.LIBRARIES, name, ("no-such-library", (1, 0)))
    with pytest.raises(RunError, match="not installed") as caught:
        go(tmp_path, base, settings(engine=name))
    assert f"[{name}]" in caught.value.fix
    assert not (tmp_path / "store").exists()


def test_an_old_library_is_refused(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "version", lambda _: "2.9.1")
    with pytest.raises(RunError, match=re.escape("ray 2.9.1 is too old: 2.59")):
        go(tmp_path, base, settings(engine="ray"))


def test_no_jobs_need_no_engine(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert engine.run_jobs([], never, settings=settings(engine="ray"), label="", store=store, files=[]) == {}


def test_the_bounds_of_the_libraries_are_those_of_the_package() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    for library, least in engine.LIBRARIES.values():
        assert re.search(rf'"{library}(\[\w+\])?>={least[0]}\.{least[1]}', text), library


def test_only_finished_work_of_this_device_is_no_wish_for_others() -> None:
    given = {"keep_weights": "none", "gpus_per_run": 1, "checkpoint_minutes": 1.0}
    with pytest.raises(ConfigError, match="same_type"):
        make_params(execute={**given, "engine": "ray", "accept": "same_type"})


@pytest.mark.parametrize("word", ["gpu\n#SBATCH --uid=0", "--uid=0", "a b", ""])
def test_no_value_of_slurm_becomes_another_line(word: str) -> None:
    for given in ({"partition": word}, {"account": word}, {"options": {"qos": word}}, {"options": {word: 1}}):
        with pytest.raises(ValueError):
            SlurmConfig(**given)


# Where to: the address of a Ray cluster.


def test_without_an_address_a_cluster_is_started_here() -> None:
    assert ray_cluster.check_address({}) is None
    assert ray_cluster.check_address({ray_cluster.ADDRESS: "local"}) is None
    assert ray_cluster.check_address({ray_cluster.ADDRESS: "auto"}) == "auto"


@pytest.mark.parametrize("address", ["ray://head:10001", "head", "head:", "http://head:8265"])
def test_what_is_no_address_of_a_head_is_refused(address: str) -> None:
    with pytest.raises(RunError, match="not the address") as caught:
        ray_cluster.check_address({ray_cluster.ADDRESS: address})
    assert caught.value.where == ray_cluster.ADDRESS


def test_an_address_where_nobody_answers_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert ray_cluster.check_address({ray_cluster.ADDRESS: address}) == address
    with pytest.raises(RunError, match="no Ray cluster answers") as caught:
        ray_cluster.check_address({ray_cluster.ADDRESS: address})
    assert "docs/scale.md" in caught.value.fix


def test_authentication_that_is_switched_off_is_refused() -> None:
    with pytest.raises(RunError, match="switched off"):
        ray_cluster.check_address({ray_cluster.MODE: "disabled"})


def ray_node(name: str, alive: bool = True, **resources: float) -> dict[str, Any]:
    return {"NodeID": name, "Alive": alive, "Resources": resources}


def test_runs_go_to_gpus_where_there_are_some_else_to_cores() -> None:
    head, cores = ray_node("head", CPU=0.0), ray_node("cores", CPU=8.0)
    gpus, few = ray_node("gpus", CPU=8.0, GPU=4.0), ray_node("few", CPU=8.0, GPU=1.0)
    gone = ray_node("gone", alive=False, CPU=8.0, GPU=8.0)
    assert ray_cluster.task_needs([head, cores, gone], 2) == ({"num_cpus": 1.0}, ["cores"])
    assert ray_cluster.task_needs([head, cores, gpus, few], 2) == (
        {"num_gpus": 2.0, "num_cpus": 0.0},
        ["gpus"],
    )


def test_too_few_gpus_for_a_run_are_an_error_at_once() -> None:
    """Ray would wait for such a node for ever."""
    with pytest.raises(RunError, match="no node of the cluster has more than 4 GPUs"):
        ray_cluster.task_needs([ray_node("a", CPU=8.0, GPU=4.0), ray_node("b", CPU=8.0, GPU=4.0)], 8)
    with pytest.raises(RunError, match="none of the cluster's 1 nodes"):
        ray_cluster.task_needs([ray_node("head", CPU=0.0)], 1)


# What is asked of Slurm, and what it refuses.


def test_jobs_ask_slurm_for_what_the_params_say() -> None:
    slurm = {
        "partition": "gpu",
        "account": "lab",
        "minutes": 60,
        "options": {"qos": "long", "cpus_per_task": 8},
    }
    asked = on_slurm.requests(settings(gpus_per_run=2, slurm=slurm, workers=5))
    assert (asked["partition"], asked["account"]) == ("gpu", "lab")
    assert (asked["time"], asked["gpus_per_node"], asked["cpus_per_task"]) == (60, 2, 8)
    assert (asked["qos"], asked["array_parallelism"]) == ("long", 5)
    assert asked["additional_parameters"] == {"requeue": True}
    without = on_slurm.requests(settings(slurm={"gpus": False}))
    assert not {"partition", "account", "gpus_per_node"} & set(without)


def test_long_runs_are_shared_out_among_jobs(ground: CommonGround) -> None:
    orders = [Order(job, never, False, 1.0, ground) for job in jobs_for(Path(), *"abcdefg")]
    dealt = on_slurm.dealt(orders, 3)
    assert [[order.job.name for order in some] for some in dealt] == [["a", "d", "g"], ["b", "e"], ["c", "f"]]


class Refusing:
    """Stands for submitit's executor: the queue takes nothing."""

    def batch(self) -> Any:
        return nullcontext()

    def submit(self, batch: Any) -> Any:
        raise RuntimeError("sbatch: error: invalid partition specified: gpu\nsbatch: error: Batch job failed")


def test_a_queue_that_refuses_is_told_in_its_words(
    tmp_path: Path, ground: CommonGround, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_slurm, "executor", lambda *_: Refusing())
    with pytest.raises(RunError, match="invalid partition specified: gpu") as caught:
        on_slurm.run_on_slurm(
            jobs_for(tmp_path, "a"), never, settings=settings(), label="test", ground=ground
        )
    assert caught.value.where == "execute.slurm"


def test_the_jobs_of_a_driver_that_died_are_cancelled(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a living one are left alone."""
    (tmp_path / "scancel").write_text(f"#!/bin/sh\necho $@ >> {tmp_path}/cancelled\n")
    (tmp_path / "scancel").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    store = Store(tmp_path / "store")
    with common_ground(store, [base]) as living:
        (living.folder / on_slurm.JOBS).write_text(json.dumps({"jobs": ["1_0"]}))
        dead = living.folder.with_name("dead")
        dead.mkdir()
        (dead / on_slurm.JOBS).write_text(json.dumps({"jobs": ["7_0", "7_1"]}))
        with common_ground(store, [base], left=on_slurm.cancel_left):
            assert living.folder.is_dir() and not dead.exists()
    assert (tmp_path / "cancelled").read_text() == "7_0 7_1\n"


# What a node must have in common with the driver.


def test_a_node_that_has_all_may_work_and_nothing_is_left_behind(
    tmp_path: Path, ground: CommonGround
) -> None:
    check_here(ground)
    assert sorted(path.name for path in ground.folder.iterdir()) == [ground_module.DRIVER]


def test_the_driver_takes_its_folder_and_lock_away(tmp_path: Path, base: Path) -> None:
    store = Store(tmp_path / "store")
    with common_ground(store, [base]):
        pass
    assert not list((store.root / "engines").iterdir()) and not list((store.root / "locks").iterdir())


def test_a_node_without_the_shared_folder_may_not_work(tmp_path: Path, ground: CommonGround) -> None:
    elsewhere = replace(ground, store=Store(tmp_path / "another"))
    with pytest.raises(RunError, match="does not see the driver's run store") as caught:
        check_here(elsewhere)
    assert str(tmp_path / "another") in caught.value.where
    assert "COCKTAIL_STORE" in caught.value.fix


def test_a_node_whose_base_is_another_may_not_work(base: Path, ground: CommonGround) -> None:
    base.write_text('{"identity": "another"}')
    with pytest.raises(RunError) as caught:
        check_here(ground)
    assert caught.value.where == str(base)


def test_a_node_that_cannot_write_may_not_work(ground: CommonGround, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "touch", closed)
    with pytest.raises(RunError, match="Read-only file system"):
        check_here(ground)


def test_a_node_that_does_not_see_locks_may_not_work(
    ground: CommonGround, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Played: where locks end at the machine, the driver's is free."""

    @contextmanager
    def free(*_: Any, **__: Any) -> Iterator[None]:
        yield

    monkeypatch.setattr(Store, "lock", free)
    with pytest.raises(RunError, match="two nodes could make one run"):
        check_here(ground)


def test_a_node_with_other_libraries_may_not_work(ground: CommonGround) -> None:
    older = dict(ground.libraries) | {"torch": "0.1"}
    with pytest.raises(RunError, match=r"torch \S+ \(driver: 0\.1\)"):
        check_here(replace(ground, libraries=tuple(older.items())))


def test_a_node_is_checked_before_its_first_run(tmp_path: Path, ground: CommonGround) -> None:
    post = Post(("0",), 60.0)  # with a GPU no fork server is started
    order = Order(
        jobs_for(tmp_path, "a")[0], never, False, 60.0, replace(ground, libraries=(("torch", "0"),))
    )
    assert "other libraries" in str(post.do(order))
    post.leave()


# Rounds, which all engines share.


def test_what_another_process_is_at_comes_last_and_is_waited_for() -> None:
    asked: list[tuple[list[str], bool]] = []

    def hand_out(jobs: Any, wait: bool) -> Iterator[tuple[Job[Path], Outcome]]:
        asked.append(([job.name for job in jobs], wait))
        for job in jobs:
            yield job, {"busy": "" if wait else None, "held": None, "bad": "no rows"}.get(job.name, "")

    jobs = jobs_for(Path(), "small", "busy", "held", "bad", "large")
    failed = in_two_rounds(jobs, hand_out, label="test")
    assert asked == [(["large", "bad", "held", "busy", "small"], False), (["held", "busy"], True)]
    assert failed == {"bad": "no rows", "held": "another process is at it, and does not end"}


@pytest.mark.slow
def test_a_post_lets_its_run_save_when_it_is_interrupted(
    tmp_path: Path, ground: CommonGround, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own, whose main thread gets the signal."""
    code = f"""
import os, signal, sys, threading, time
sys.path[:0] = {sys.path!r}
from pathlib import Path
from cocktail.files.store import Store
from cocktail.runs import worker
from cocktail.runs.engines import node
from cocktail.runs.engines.common_ground import common_ground
from cocktail.runs.rounds import Job
import test_pool
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
worker.PRELOAD = []
folder = Path({str(tmp_path)!r})
with common_ground(Store(folder / "own"), []) as ground:
    post = node.Post((), 600.0)
    def interrupt():
        while not (folder / "long").exists():
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=interrupt).start()
    try:
        post.do(node.Order(Job("long", 1, folder / "long"), test_pool.save_and_leave, False, 600.0, ground))
    except KeyboardInterrupt:
        print("interrupted", (folder / "saved").exists())
    post.leave()
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stdout.split() == ["interrupted", "True"], ran.stderr[-2000:]


@pytest.mark.slow
def test_nothing_of_ray_or_submitit_is_imported_by_the_local_engine() -> None:
    code = "import sys; from cocktail.runs import runs; print({'ray', 'submitit'} & set(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert ran.stdout.strip() == "set()", ran.stderr[-2000:]


def test_a_lock_of_the_driver_is_busy_for_this_process_too(ground: CommonGround) -> None:
    """What the check of a node leans on."""
    with pytest.raises(BusyError), ground.store.lock(f"engine-{ground.word}", wait=False):
        pass
    assert node.LOOK < 1.0
