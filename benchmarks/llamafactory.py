"""LLaMA-Factory, the program the paper trained with: a virtual environment of its own, and one training."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from common import say
from workbench import Workbench, bf16

from cocktail.data.grid import Run
from cocktail.files.records import fresh_file, write_json
from cocktail.training.environment import visible_gpus

PACKAGES = ("llamafactory==0.9.5",)
DATASET = "mixture"
TEMPLATES = {"smollm2_135m": "smollm2"}


def make_environment(folder: Path, bench: Workbench) -> Path:
    """Return the program of the environment in ``folder``; it is made if it is not there (2 GB, minutes)."""
    program = folder / "bin/llamafactory-cli"
    if not program.is_file():
        say(f"installing {', '.join(PACKAGES)} into {folder}")
        bench.run([sys.executable, "-m", "venv", folder])
        pip: list[str | Path] = [folder / "bin/python", "-m", "pip"]
        bench.run([*pip, "install", "--quiet", *PACKAGES, _installed_torch()])
        if not visible_gpus():
            # Built for torch with CUDA, these cannot be imported beside a CPU build. Tuning on text needs
            # neither, but LLaMA-Factory imports torchaudio all the same: an empty module does.
            bench.run([*pip, "uninstall", "--quiet", "--yes", "torchvision", "torchaudio"])
            (packages,) = folder.glob("lib/python3*/site-packages")
            (packages / "torchaudio.py").touch()
    return program


def train_command(program: Path, bench: Workbench, run: Run, *, rows: Path, out: Path) -> list[str | Path]:
    """Write what LLaMA-Factory reads for one run, and return the command that trains it.

    Its defaults, but for what the comparison fixes. Its templates write the same turns as our chat
    templates; ``phi`` with a line break more in each.
    """
    write_json(rows.parent / "dataset_info.json", {DATASET: {"file_name": rows.name}})
    train = bench.params.train
    adapter: dict[str, Any] = {"finetuning_type": train.method}
    if train.method == "lora":
        adapter |= {"lora_rank": train.lora.rank, "lora_alpha": train.lora.alpha, "lora_target": "all"}
    settings = {
        "stage": "sft",
        "do_train": True,
        **adapter,
        "model_name_or_path": str(bench.base),
        "template": TEMPLATES.get(bench.model, "phi"),
        "dataset": DATASET,
        "dataset_dir": str(rows.parent),
        "cutoff_len": train.max_length,
        "output_dir": str(out),
        "per_device_train_batch_size": train.batch_size,
        "learning_rate": run.learning_rate,
        "num_train_epochs": run.epochs,
        "report_to": "none",
        "bf16": bf16(bench.params),
        "use_cpu": not visible_gpus(),
    }
    with fresh_file(rows.parent / "run.yaml") as draft:
        draft.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return [program, "train", rows.parent / "run.yaml"]


def _installed_torch() -> str:
    """The build of torch that is here, so that no other is fetched."""
    return f"torch=={version('torch').partition('+')[0]}"
