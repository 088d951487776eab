"""One training by several processes: what one process learns, to the rounding of another order of sums."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from processes import line_of, relatives
from tiny_model import ITEMS, STOP, recipe, tiny_rows, write_tiny_base

from cocktail import life
from cocktail.errors import RunError, StoppedError
from cocktail.training.checkpoints import Checkpoints
from cocktail.training.device import load_model
from cocktail.training.launch import LaunchTask, fine_tune_on_devices, read_task
from cocktail.training.recipe import LoraShape, Recipe, Training
from cocktail.training.sft import fine_tune

pytestmark = pytest.mark.slow

EIGHT = ITEMS[:4] * 2  # rows: they fill two batches of four, and of two a process
LONG = 20.0  # epochs of two steps: several losses are logged
SHARED = {"batch_size": 4, "group_by_length": False, "epochs": 3.0, "learning_rate": 1e-3}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_base(tmp_path_factory.mktemp("base") / "tiny")


def task(base: Path, folder: Path, chosen: Recipe, seconds: float = 3600.0) -> LaunchTask:
    return LaunchTask(base, STOP, chosen, Checkpoints(folder / "checkpoints", seconds))


def several(tokenizer: Any, base: Path, folder: Path, **changes: Any) -> tuple[Any, Training]:
    chosen = recipe(**SHARED | {"devices": 2} | changes)
    return fine_tune_on_devices(tiny_rows(tokenizer, EIGHT), task(base, folder, chosen))


@pytest.fixture(scope="module")
def shared(tokenizer: Any, base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Training]:
    """What two processes learn of all weights, undisturbed."""
    return several(tokenizer, base, tmp_path_factory.mktemp("shared"), epochs=LONG)


def test_a_task_survives_its_files(tokenizer: Any, base: Path, tmp_path: Path) -> None:
    rows = tiny_rows(tokenizer)
    rows[0] = replace(rows[0], cut=True)
    given = task(base, tmp_path, recipe(lora=LoraShape(2, 4, 0.0), method="lora"), 3.0)
    given.write(tmp_path, rows)
    assert read_task(tmp_path) == (given, rows)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "tree_tokens"), [("full", 0), ("lora", 0), ("full", 45)])
def test_two_processes_learn_what_one_does(
    tokenizer: Any,
    base: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    method: str,
    tree_tokens: int,
) -> None:
    """Rows of unequal answer length: only a mean over the tokens of both processes gives the same.

    In trees, the processes have unequally many of them.
    """
    lora = LoraShape(2, 4, 0.0) if method == "lora" else None
    changes: dict[str, Any] = {"method": method, "lora": lora, "tree_tokens": tree_tokens}
    plain = method == "full" and not tree_tokens
    changes |= {"epochs": LONG} if plain else {}
    torch.set_num_threads(1)
    alone, training = fine_tune(
        load_model(base, bf16=False),
        tokenizer,
        tiny_rows(tokenizer, EIGHT),
        recipe=recipe(**SHARED | changes),
        stop_token=STOP,
        checkpoints=Checkpoints(tmp_path / "alone", math.inf),
    )
    shared, shared_training = (
        request.getfixturevalue("shared") if plain else several(tokenizer, base, tmp_path, **changes)
    )
    one, two = alone.state_dict(), shared.state_dict()
    assert one.keys() == two.keys()
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 1e-4
    untouched = load_model(base, bf16=False).state_dict()
    moved = [name for name in one if name not in untouched or not torch.equal(one[name], untouched[name])]
    assert moved
    for count in ("steps", "trained_tokens", "trainable_parameters"):
        assert getattr(training, count) == getattr(shared_training, count)
    assert training.loss[0][1] == pytest.approx(shared_training.loss[0][1], abs=1e-4)


@pytest.mark.slow
def test_the_reason_of_a_failed_process_arrives(tokenizer: Any, base: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        several(tokenizer, base, tmp_path, learning_rate=1e30, max_grad_norm=1e30, epochs=20.0)
    assert "loss" in caught.value.what
    assert "learning_rate" in caught.value.fix


@pytest.mark.slow
def test_processes_that_are_told_to_stop_save_first(
    tokenizer: Any,
    base: Path,
    shared: tuple[Any, Training],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They share the signs of the worker that started them; its own go on there, and the end is the same."""
    whole, training = shared
    signs = tmp_path / "signs"
    with monkeypatch.context() as patch:
        patch.setenv(life.SIGNS, str(signs))
        life.stop_file(signs).touch()
        with pytest.raises(StoppedError):
            several(tokenizer, base, tmp_path, epochs=LONG)
    newest = task(base, tmp_path, recipe()).checkpoints.newest()
    assert newest is not None
    assert newest.name == "checkpoint-1"
    assert signs.exists()
    went_on, again = several(tokenizer, base, tmp_path, epochs=LONG)
    assert again == training
    one, two = whole.state_dict(), went_on.state_dict()
    assert [name for name in one if not torch.equal(one[name], two[name])] == []


ASKING = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from tiny_model import tiny_rows, tiny_tokenizer
from test_launch import several
several(tiny_tokenizer(), Path({base!r}), Path({folder!r}), epochs=100000.0)
"""


@pytest.mark.slow
def test_the_processes_go_when_the_one_that_asked_is_killed(base: Path, tmp_path: Path) -> None:
    script = ASKING.format(path=sys.path, base=str(base), folder=str(tmp_path))
    asking = subprocess.Popen([sys.executable, "-c", script])
    family = psutil.Process(asking.pid)
    end = time.monotonic() + 60
    while sum("training.launch" in line_of(one) for one in relatives(family)[1:]) < 3:
        assert time.monotonic() < end and asking.poll() is None
        time.sleep(0.2)
    everyone = relatives(family)[1:]
    os.kill(asking.pid, signal.SIGKILL)
    asking.wait()
    _, alive = psutil.wait_procs(everyone, timeout=40)
    for process in alive:
        process.kill()
    assert alive == []
