"""A training that was killed goes on from its last whole checkpoint and ends with the same bytes."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_model import STOP, recipe, tiny_model, tiny_rows
from transformers import TrainerCallback

from cocktail import life
from cocktail.errors import StoppedError
from cocktail.files.records import read_json, write_json
from cocktail.training import sft
from cocktail.training.checkpoints import COMPLETE, Checkpoints
from cocktail.training.methods import ready_to_answer
from cocktail.training.recipe import LoraShape, Training

pytestmark = pytest.mark.slow

LORA = {"method": "lora", "lora": LoraShape(rank=2, alpha=4, dropout=0.3)}  # dropout draws random numbers
PROMPT = {"method": "prompt_tuning", "virtual_tokens": 3}
RECIPES: dict[str, dict[str, Any]] = {
    "grouped": {},
    "ungrouped": {"group_by_length": False},
    "packed": {"packing": True, "group_by_length": False, "epochs": 60.0},
    "accumulated": {"batch_size": 1, "gradient_accumulation_steps": 2},
    "lora": LORA,
    "prompt_tuning": PROMPT,
    "matched steps": {"max_steps": 35},
    "shared prefixes": {"tree_tokens": 30},
}


class KilledError(Exception):
    """Stands for the end of the process."""


class KillAt(TrainerCallback):  # type: ignore[misc]
    def __init__(self, step: int, act: Callable[[], None]) -> None:
        self.step, self.act = step, act

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self.step:
            self.act()


def kill() -> None:
    raise KilledError


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def train(
    tokenizer: Any,
    checkpoints: Checkpoints,
    monkeypatch: pytest.MonkeyPatch,
    *,
    kill_at: int = 0,
    act: Callable[[], None] = kill,
    **changes: Any,
) -> tuple[dict[str, torch.Tensor], Training]:
    chosen = recipe(**{"epochs": 12.0, **changes})
    made = sft.make_trainer

    def with_kill(*arguments: Any, **keywords: Any) -> Any:
        trainer = made(*arguments, **keywords)
        trainer.add_callback(KillAt(kill_at, act))
        return trainer

    with monkeypatch.context() as patch:
        patch.setattr(sft, "make_trainer", with_kill)
        model, training = sft.fine_tune(
            tiny_model(tokenizer),
            tokenizer,
            tiny_rows(tokenizer),
            recipe=chosen,
            stop_token=STOP,
            checkpoints=checkpoints,
        )
    answering = ready_to_answer(model, chosen)
    weights = {name: value.clone() for name, value in answering.model.state_dict().items()}
    if answering.soft_prompt is not None:
        weights["prompt"] = answering.soft_prompt
    return weights, training


@pytest.fixture(scope="module")
def undisturbed(
    tokenizer: Any, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., tuple[dict[str, torch.Tensor], Training]]:
    """A function from a recipe's changes to what an undisturbed training ends with, each made once."""
    made: dict[str, tuple[dict[str, torch.Tensor], Training]] = {}

    def whole(**changes: Any) -> tuple[dict[str, torch.Tensor], Training]:
        if repr(changes) not in made:
            with pytest.MonkeyPatch.context() as patch:
                checkpoints = Checkpoints(tmp_path_factory.mktemp("whole"), math.inf)
                made[repr(changes)] = train(tokenizer, checkpoints, patch, **changes)
        return made[repr(changes)]

    return whole


def assert_equal(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> None:
    assert left.keys() == right.keys()
    assert [name for name in left if not torch.equal(left[name], right[name])] == []


@pytest.mark.parametrize("name", RECIPES)
def test_a_killed_training_ends_with_the_same_bytes(
    tokenizer: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: Callable[..., Any],
    name: str,
) -> None:
    """KilledError twice, in a later epoch: order of rows, optimiser, random numbers and losses all go on."""
    changes = RECIPES[name]
    whole = undisturbed(**changes)
    checkpoints = Checkpoints(tmp_path / "killed", 0.0)
    for step in (17, 25):
        with pytest.raises(KilledError):
            train(tokenizer, checkpoints, monkeypatch, kill_at=step, **changes)
    newest = checkpoints.newest()
    assert newest is not None
    assert newest.name == "checkpoint-20"
    went_on = train(tokenizer, checkpoints, monkeypatch, **changes)
    assert_equal(whole[0], went_on[0])
    assert whole[1] == went_on[1]  # steps, epochs, every logged loss


def test_a_training_killed_after_its_last_step_takes_no_step_more(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: Callable[..., Any]
) -> None:
    """Twenty steps are no whole number of epochs: gone on from step 20, the trainer would take another."""
    changes = {"max_steps": 20, "scheduler": "constant"}
    whole = undisturbed(**changes)
    checkpoints = Checkpoints(tmp_path / "killed", 0.0)
    train(tokenizer, checkpoints, monkeypatch, **changes)  # killed before it was stored
    went_on = train(tokenizer, checkpoints, monkeypatch, **changes)
    assert_equal(whole[0], went_on[0])
    assert whole[1] == went_on[1]


@pytest.mark.parametrize("name", ["grouped", "accumulated", "lora"])
@pytest.mark.parametrize("told", ["by signal", "by file"])
def test_a_training_that_is_told_to_stop_saves_first(
    tokenizer: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: Callable[..., Any],
    name: str,
    told: str,
) -> None:
    """At the next logged step, where the mean loss is complete, though no checkpoint is due by time."""
    changes = RECIPES[name]
    whole = undisturbed(**changes)
    checkpoints, signs = Checkpoints(tmp_path / "stopped", math.inf), tmp_path / "signs"
    for step in (13, 25):
        with monkeypatch.context() as patch, life.stoppable():
            if told == "by file":
                patch.setenv(life.SIGNS, str(signs))
            act = terminate if told == "by signal" else life.stop_file(signs).touch
            with pytest.raises(StoppedError) as caught:
                train(tokenizer, checkpoints, monkeypatch, kill_at=step, act=act, **changes)
        life.stop_file(signs).unlink(missing_ok=True)
        newest = checkpoints.newest()
        assert newest is not None
        assert newest.name == f"checkpoint-{step // 10 * 10 + 10}"
        assert f"at step {step // 10 * 10 + 10} of" in str(caught.value)
        assert told != "by file" or signs.exists()  # steps are signs of life
    went_on = train(tokenizer, checkpoints, monkeypatch, **changes)
    assert_equal(whole[0], went_on[0])
    assert whole[1] == went_on[1]


def test_a_training_that_is_told_to_stop_at_its_end_ends(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: Callable[..., Any]
) -> None:
    whole = undisturbed(max_steps=20)
    with life.stoppable():
        ended = train(
            tokenizer,
            Checkpoints(tmp_path / "told", math.inf),
            monkeypatch,
            kill_at=15,
            act=terminate,
            max_steps=20,
        )
    assert_equal(whole[0], ended[0])
    assert whole[1] == ended[1]


def test_without_a_due_checkpoint_nothing_is_written(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tokenizer, Checkpoints(tmp_path, 3600.0), monkeypatch)
    assert list(tmp_path.iterdir()) == []


def test_half_a_checkpoint_is_taken_away(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: Callable[..., Any]
) -> None:
    """A kill during the write, and a byte that changed later: the checkpoint before counts."""
    whole = undisturbed()
    for number, damage in enumerate(("unfinished", "flipped")):
        checkpoints = Checkpoints(tmp_path / str(number), 0.0)
        with pytest.raises(KilledError):
            train(tokenizer, checkpoints, monkeypatch, kill_at=25)
        newest = tmp_path / str(number) / "checkpoint-20"
        if damage == "unfinished":
            (newest / COMPLETE).unlink()
        else:
            weights = bytearray((newest / "model.safetensors").read_bytes())
            weights[-1] ^= 1
            (newest / "model.safetensors").write_bytes(weights)
        before = checkpoints.newest()
        assert before is not None
        assert before.name == "checkpoint-10"
        assert not newest.exists()
        assert_equal(whole[0], train(tokenizer, checkpoints, monkeypatch)[0])


def test_the_time_of_killed_goes_counts(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(tmp_path, 0.0)
    with pytest.raises(KilledError):
        train(tokenizer, checkpoints, monkeypatch, kill_at=25)
    marker = tmp_path / "checkpoint-20" / COMPLETE
    write_json(marker, {**read_json(marker), "seconds": 1000.0})
    _, training = train(tokenizer, checkpoints, monkeypatch)
    assert training.seconds > 1000.0
