"""What the machine offers, found without importing torch, and the settings of worker processes."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.metadata import version

LIBRARIES = ("accelerate", "peft", "tokenizers", "torch", "transformers", "trl")

LIBRARY_SETTINGS = {
    "OMP_WAIT_POLICY": "PASSIVE",  # threads that wait actively slow others down by a factor of three
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}
WORKER_SETTINGS = {
    **LIBRARY_SETTINGS,
    "OMP_NUM_THREADS": "1",  # with a fixed number of threads weights are bit-identical across processes
    "HF_HUB_OFFLINE": "1",  # everything that a run needs is on disk
}


def visible_gpus() -> list[str]:
    """Return the ids of the GPUs this process may use; none where there is no driver."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [gpu for gpu in named.split(",") if gpu.strip() not in ("", "-1")]
    if not shutil.which("nvidia-smi"):
        return []
    listed = subprocess.run(
        ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        check=False,
    )
    return listed.stdout.split() if listed.returncode == 0 else []


def device_name() -> str:
    """Return "cpu" or the name of the GPUs: part of what decides a run's bytes."""
    if not visible_gpus():
        return "cpu"
    listed = subprocess.run(
        ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        check=False,
    )
    return ", ".join(sorted(set(listed.stdout.strip().splitlines()))) or "gpu"


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that decide a run's bytes."""
    return {name: version(name) for name in LIBRARIES}
