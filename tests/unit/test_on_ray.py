"""Runs on a Ray cluster of two simulated nodes and a head without a core, trained for real on a tiny base.

Ray is an extra that is not in requirements.lock: without it these tests are skipped (docs/scale.md says how
they are run).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import test_runs
from ray_nodes import Nodes, ray_nodes
from tiny_model import write_tiny_base

from cocktail.life import GRACE
from cocktail.runs import execute as job_module
from cocktail.runs import runs as execution

pytest.importorskip("ray", reason="the extra ray is not installed")
pytestmark = pytest.mark.slow
prepared = test_runs.prepared

WAIT = 600.0  # seconds that only a machine with other work comes near
SHORT = 20  # steps, an epoch each; the long run has 600, and a checkpoint at every tenth
RUNS = [
    replace(test_runs.FPB, epochs=float(SHORT)),
    replace(test_runs.PAIR, epochs=300.0),
    replace(test_runs.SIZE, epochs=2.0),
]
DRIVER = """
import os, sys
sys.path[:0] = {path!r}
from pathlib import Path
import test_on_ray
from cocktail.stage import run_command
run_command(lambda: test_on_ray.stage({engine!r}, Path({prepared!r}), Path({base!r}), Path({out!r})))
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_base(tmp_path_factory.mktemp("base") / "tiny")


def at_work(job: Any, wait: bool = True) -> None:
    """What a worker does; it leaves the number of its process."""
    Path(f"{os.environ['TRAININGS']}.{job.run.id}").write_text(str(os.getpid()))
    test_runs.both_at_once(job, wait)


def stage(engine: str, prepared: Path, base: Path, out: Path) -> None:
    """What the driver's process does; each training that is begun leaves a line."""
    execution.execute = at_work
    given = {"keep_weights": "none", "checkpoint_minutes": 0.0, "engine": engine, "workers": 2}
    params = test_runs.study(execute=given)
    test_runs.go(RUNS, prepared=prepared, base=base, out=out, params=params)


class Driver:
    """A stage in a process of its own."""

    def __init__(
        self,
        engine: str,
        *,
        prepared: Path,
        base: Path,
        folder: Path,
        env: dict[str, str],
        before: str = "",
    ) -> None:
        out = folder / "out"
        code = before + DRIVER.format(
            path=sys.path, engine=engine, prepared=str(prepared), base=str(base), out=str(out)
        )
        self.out, self.store = out, folder / "store"
        self._told = folder / "told"
        with self._told.open("w") as told:
            self.process = subprocess.Popen([sys.executable, "-c", code], env=env, stderr=told, stdout=told)

    def output(self) -> dict[str, bytes]:
        assert self.process.wait(WAIT) == 0, self.told()
        return {file.name: file.read_bytes() for file in sorted(self.out.iterdir())}

    def told(self) -> str:
        return self._told.read_text()

    def reaches_the_long_run(self) -> None:
        """Wait until it has a whole checkpoint; no other run has so many steps."""
        self.wait_for(lambda: any(int(one.parent.name.partition("-")[2]) > SHORT for one in self.whole()))

    def wait_for(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + WAIT
        while not condition():
            assert self.process.poll() is None, self.told()
            assert time.monotonic() < end
            time.sleep(0.02)

    def stored(self) -> list[Path]:
        return list((self.store / "runs").glob("*/*/training.json"))

    def whole(self) -> list[Path]:
        return list((self.store / "checkpoints").rglob("complete.json"))


@pytest.fixture(scope="module")
def local(prepared: Path, base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The same runs in this process, undisturbed."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("local")
        patch.setenv("COCKTAIL_STORE", str(folder / "store"))
        patch.setenv("TRAININGS", str(folder / "trainings"))
        patch.setattr(execution, "run_jobs", test_runs.in_process)
        patch.setattr(execution, "execute", job_module.execute)
        test_runs.torch.set_num_threads(1)
        given = {"keep_weights": "none", "checkpoint_minutes": 10.0}
        params = test_runs.study(execute=given)
        return test_runs.go(RUNS, prepared=prepared, base=base, out=folder / "out", params=params)


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    settings = {"COCKTAIL_STORE": str(tmp_path / "store"), "TRAININGS": str(tmp_path / "trainings")}
    with ray_nodes(2, **settings) as found:
        yield found


def test_a_run_whose_node_dies_goes_on_elsewhere_with_the_same_bytes(
    nodes: Nodes, prepared: Path, base: Path, tmp_path: Path, local: dict[str, bytes]
) -> None:
    """The node of the long run is lost, when that has a checkpoint."""
    driver = Driver("ray", prepared=prepared, base=base, folder=tmp_path, env=nodes.environment)
    driver.reaches_the_long_run()
    nodes.kill(int((tmp_path / f"trainings.{test_runs.PAIR.id}").read_text()))
    assert driver.output() == local
    trainings = (tmp_path / "trainings").read_text().split()
    assert sorted(trainings) == sorted([*(run.id for run in RUNS), test_runs.PAIR.id])  # begun twice
    assert len(driver.stored()) == len(RUNS)
    assert not list((driver.store / "checkpoints").rglob("checkpoint-*"))
    assert not list((driver.store / "engines").iterdir())


def test_a_driver_that_is_told_to_stop_or_dies_goes_on_with_the_same_command(
    nodes: Nodes, prepared: Path, base: Path, tmp_path: Path, local: dict[str, bytes]
) -> None:
    trainings = tmp_path / "trainings"
    first = Driver("ray", prepared=prepared, base=base, folder=tmp_path, env=nodes.environment)
    first.reaches_the_long_run()
    told = time.monotonic()
    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait(WAIT) == 128 + signal.SIGTERM, first.told()
    assert "the same command goes on" in first.told()
    assert time.monotonic() - told < GRACE + 30
    assert first.whole(), "the long run was to save"
    assert len(first.stored()) < 2, "it was to stop"
    before = len(trainings.read_text().split())
    second = Driver("ray", prepared=prepared, base=base, folder=tmp_path, env=nodes.environment)
    second.wait_for(lambda: len(trainings.read_text().split()) > before)
    second.process.kill()
    second.process.wait(WAIT)
    last = Driver("ray", prepared=prepared, base=base, folder=tmp_path, env=nodes.environment)
    assert last.output() == local
    assert not list((last.store / "engines").iterdir())


def test_a_node_that_differs_and_a_driver_without_the_token_are_refused(
    nodes: Nodes, prepared: Path, base: Path, tmp_path: Path
) -> None:
    """Played: this driver says that it has another torch."""
    other = Driver(
        "ray",
        prepared=prepared,
        base=base,
        folder=tmp_path,
        env=nodes.environment,
        before="from cocktail.runs.engines import common_ground\n"
        "common_ground.installed = lambda: {'torch': '0.1'}\n",
    )
    assert other.process.wait(WAIT) == 2, other.told()
    assert "other libraries than the driver: torch" in other.told()
    stranger = {**nodes.environment, "RAY_AUTH_TOKEN": "f" * 64}
    without = Driver("ray", prepared=prepared, base=base, folder=tmp_path, env=stranger)
    assert without.process.wait(WAIT) == 2, without.told()
    assert "no Ray cluster at" in without.told() and "Traceback" not in without.told()
    assert not (tmp_path / "trainings").exists()
