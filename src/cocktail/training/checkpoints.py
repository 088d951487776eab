"""Checkpoints: a killed training goes on from the last one and ends with the same bytes as undisturbed.

The trainer writes a checkpoint file by file, so a kill leaves half of one behind. A last file, written when
all others are there, holds their digests; a folder without it, or with a file that differs, is taken away
before training goes on from the one before. Checkpoints are due by time, or because the training is to stop,
but only at steps that are logged: there the mean loss since the last logged step is complete, and the
receipt comes out the same.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from cocktail.errors import RecordError, StoppedError
from cocktail.files.records import digest_file, read_json, write_json
from cocktail.life import stopping, training_ended, training_goes_on

COMPLETE = "complete.json"
KEPT = 2  # the one before stays until the next is complete


class Wish(IntEnum):
    """What a training wants at a logged step; to stop, it saves first."""

    NONE = 0
    SAVE = 1
    STOP = 2


@dataclass(frozen=True)
class Checkpoints:
    """Where a training keeps its checkpoints, and how often.

    Attributes:
        folder: may hold those of an earlier go; nothing in it is needed once the training is stored.
        seconds: time from one to the next; 0: at every logged step; infinity: none are written.
    """

    folder: Path
    seconds: float

    def part(self, name: str) -> Checkpoints:
        """Return those of one phase of a longer training."""
        return Checkpoints(self.folder / name, self.seconds)

    def newest(self) -> Path | None:
        """Return the last whole checkpoint, and take away what is none; None if there is none."""
        found = self.folder.glob(f"{PREFIX_CHECKPOINT_DIR}-*")
        ordered = sorted(found, key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
        for checkpoint in ordered:
            if _is_whole(checkpoint):
                return checkpoint
            shutil.rmtree(checkpoint)
        return None


class SaveByTime(TrainerCallback):  # type: ignore[misc]  # transformers is untyped for mypy here
    """Asks the trainer for a checkpoint when one is due, and says when it is complete.

    A training that is to stop ends there, with a StoppedError.

    ``seconds_before`` is the time that earlier, killed goes spent up to the checkpoint gone on from.
    """

    def __init__(self, checkpoints: Checkpoints, *, resumed: Path | None) -> None:
        self._checkpoints = checkpoints
        self.seconds_before = float(read_json(resumed / COMPLETE)["seconds"]) if resumed else 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._started = self._last = time.monotonic()
        self._stopping = False
        training_goes_on()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        training_goes_on()

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if state.global_step >= state.max_steps:
            return  # gone on from there, a trainer takes a step more
        due = time.monotonic() - self._last >= self._checkpoints.seconds
        wish = _agreed(Wish.STOP if stopping() else Wish.SAVE if due else Wish.NONE, args.device)
        control.should_save = wish > Wish.NONE
        self._stopping = wish == Wish.STOP

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._last = time.monotonic()
        if torch.distributed.is_initialized():
            torch.distributed.barrier()  # the others may still be writing their parts
        if state.is_world_process_zero:
            folder = self._checkpoints.folder / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
            spent = self.seconds_before + self._last - self._started
            write_json(folder / COMPLETE, {"files": _digests(folder), "seconds": round(spent, 1)})
        if self._stopping:
            if torch.distributed.is_initialized():
                torch.distributed.barrier()  # the first process to leave ends the others
            raise StoppedError(
                f"stopped by SIGTERM: a checkpoint is kept at step {state.global_step} of {state.max_steps},"
                " and the same command goes on"
            )

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        training_ended()


def _agreed(wish: Wish, device: torch.device) -> int:
    """What the first process wants: clocks differ, and a checkpoint of a sharded model needs all of them."""
    if not torch.distributed.is_initialized():
        return wish
    flag = torch.tensor(int(wish), device=device)
    torch.distributed.broadcast(flag, src=0)
    return int(flag.item())


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != COMPLETE)
    return {file.relative_to(folder).as_posix(): digest_file(file) for file in files}


def _is_whole(checkpoint: Path) -> bool:
    """Whether all files are those that were there when the checkpoint was complete."""
    if not (checkpoint / COMPLETE).is_file():
        return False
    try:
        recorded: dict[str, str] = read_json(checkpoint / COMPLETE)["files"]
    except RecordError:  # a machine that lost its power may leave an empty file
        return False
    return _digests(checkpoint) == recorded
