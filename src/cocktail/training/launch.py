"""One training by several processes, one per GPU: `accelerate launch` starts them, files carry the rows.

The worker that asks for the training stays alone: it writes the rows, waits, and loads what was trained.
Without GPUs the processes share the CPU: the same code in a small shape, for tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import torch
from peft import PeftModel
from transformers import PreTrainedModel

from cocktail.errors import CocktailError, RunError
from cocktail.files.records import fresh_folder, read_json, read_table, write_json, write_table
from cocktail.life import alive
from cocktail.training.checkpoints import Checkpoints
from cocktail.training.device import is_out_of_memory, limit_threads, load_tokenizer
from cocktail.training.methods import load_base, load_tuned
from cocktail.training.recipe import Recipe, Training, recipe_from, training_from
from cocktail.training.rows import TrainingRow
from cocktail.training.sft import train

SHARDED = Path(__file__).with_name("fsdp.yaml")
TOLD = 3  # last lines of what the processes said, where they died without a reason


@dataclass(frozen=True)
class LaunchTask:
    """What the processes are given, in a folder: what to train on what, and where its checkpoints are."""

    base: Path
    stop_token: str
    recipe: Recipe
    checkpoints: Checkpoints

    def write(self, folder: Path, rows: Sequence[TrainingRow]) -> None:
        write_table(folder / "rows.parquet", pd.DataFrame(rows))
        write_json(
            folder / "task.json",
            {
                "base": str(self.base),
                "stop_token": self.stop_token,
                "recipe": self.recipe.as_record(),
                "checkpoints": str(self.checkpoints.folder),
                "seconds": self.checkpoints.seconds,
            },
        )


def read_task(folder: Path) -> tuple[LaunchTask, list[TrainingRow]]:
    """Return what :meth:`LaunchTask.write` wrote."""
    facts = read_json(folder / "task.json")
    checkpoints = Checkpoints(Path(facts["checkpoints"]), facts["seconds"])
    task = LaunchTask(Path(facts["base"]), facts["stop_token"], recipe_from(facts["recipe"]), checkpoints)
    rows = [
        TrainingRow(
            source=row["source"],
            prompt=tuple(map(int, row["prompt"])),
            completion=tuple(map(int, row["completion"])),
            answer=row["answer"],
            cut=bool(row["cut"]),
        )
        for row in read_table(folder / "rows.parquet").to_dict("records")
    ]
    return task, rows


def fine_tune_on_devices(
    rows: Sequence[TrainingRow], task: LaunchTask
) -> tuple[PreTrainedModel | PeftModel, Training]:
    """Train with ``recipe.devices`` processes; see :func:`cocktail.training.sft.fine_tune`.

    Where the rows of an epoch do not fill the last batch, accelerate fills it with the first rows.

    Raises:
        RunError: a process failed; its reason.
        MemoryError: a GPU's memory did not suffice.
    """
    task.checkpoints.newest()  # takes half written ones away before several processes look
    with fresh_folder(task.checkpoints.folder / "several") as folder:
        task.write(folder, rows)
        said = _launch(folder, task.recipe.devices)
        alive()  # or leave: the processes were told to stop, too
        if (folder / "failure.json").is_file():
            failure = read_json(folder / "failure.json")
            if failure.pop("memory"):
                raise MemoryError(failure["what"])
            raise RunError(**failure)
        if not (folder / "training.json").is_file():
            raise RunError(f"the processes ended without a result: {said}")
        training = training_from(read_json(folder / "training.json"))
        return load_tuned(task.base, folder / "tuned", task.recipe), training


def _launch(folder: Path, processes: int) -> str:
    """Run the processes to their end and return the last lines of what they said.

    They hold the other end of a pipe: when this process is killed, it closes, and they go.
    """
    kind = ["--config_file", str(SHARDED)] if torch.cuda.is_available() else ["--multi_gpu"]
    command = [sys.executable, "-m", "accelerate.commands.launch", *kind]
    command += ["--num_processes", str(processes), "--num_machines", "1", "--mixed_precision", "no"]
    command += ["--dynamo_backend", "no", "--main_process_port", "0"]
    command += ["--module", __name__, str(folder.resolve())]
    with (folder / "said.txt").open("w+", encoding="utf-8", errors="replace") as said:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=said, stderr=said) as process:
            process.wait()
        said.seek(0)
        return " | ".join(said.read().strip().splitlines()[-TOLD:])


def take_part(folder: Path) -> None:
    """Be one of the processes: train the task; the first one writes ``tuned/``, then ``training.json``."""
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    limit_threads(1)
    task, rows = read_task(folder)
    try:
        trainer, training = train(
            load_base(task.base, task.recipe),
            load_tokenizer(task.base),
            rows,
            recipe=task.recipe,
            stop_token=task.stop_token,
            checkpoints=task.checkpoints,
        )
        if trainer.is_fsdp_enabled:
            trainer.accelerator.state.fsdp_plugin.set_state_dict_type("FULL_STATE_DICT")
        trainer.save_model(str(folder / "tuned"))
        if trainer.is_world_process_zero():
            write_json(folder / "training.json", asdict(training))
    except Exception as error:
        if not isinstance(error, CocktailError) and not is_out_of_memory(error):
            raise
        reason = {"what": str(error), "where": "", "fix": ""}
        if isinstance(error, CocktailError):
            reason = {"what": error.what, "where": error.where, "fix": error.fix}
        write_json(folder / "failure.json", {**reason, "memory": is_out_of_memory(error)})
        raise SystemExit(1) from error
    torch.distributed.destroy_process_group()


def _leave_with_parent() -> None:
    """End this process when the pipe from the process that wanted the training closes."""
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    take_part(Path(sys.argv[1]))
