"""What besides its data decides the bytes of a run: the code, the libraries, the device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cocktail
from cocktail.execution.environment import device_name, library_versions
from cocktail.records import digest_file, digest_value

PACKAGE = Path(cocktail.__file__).parent
BASE_CODE = ("models", "prompts.py", "sources/embedded", "training")
TRAINING_CODE = (
    "prompts.py",
    "training/device.py",
    "training/fsdp.yaml",
    "training/launch.py",
    "training/methods.py",
    "training/packing.py",
    "training/recipe.py",
    "training/rows.py",
    "training/sft.py",
    "training/trainer.py",
)
ANSWERING_CODE = (
    "prompts.py",
    "exam.py",
    "execution/jobs.py",
    "inference/engine.py",
    "inference/generate.py",
    "inference/labels.py",
    "inference/answer.py",
    "inference/vllm_engine.py",
    "models/tokens.py",
)


def code_digest(names: Sequence[str]) -> str:
    """Return one digest of modules of this package; a folder stands for all modules in it."""
    files = [file for name in names for file in _modules(PACKAGE / name)]
    return digest_value({file.relative_to(PACKAGE).as_posix(): digest_file(file) for file in files})


def machine() -> dict[str, Any]:
    """Return what of the machine is part of a key."""
    return {"device": device_name(), "versions": library_versions()}


def _modules(path: Path) -> list[Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]
