"""What the machine offers, found without importing torch, and the settings of worker processes."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = ("accelerate", "peft", "tokenizers", "torch", "transformers", "trl")

OPTIONAL = ("bitsandbytes", "flash-attn", "liger-kernel", "vllm")

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


@contextmanager
def environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the processes that start within the block."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def visible_gpus() -> list[str]:
    """Return the ids of the GPUs this process may use; none where there is no driver."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [gpu for gpu in map(str.strip, named.split(",")) if gpu not in ("", "-1")]
    return nvidia_smi("index") if shutil.which("nvidia-smi") else []


def nvidia_smi(fields: str) -> list[str]:
    """Return what the driver says of each GPU, one line a GPU; none where it fails.

    Raises:
        FileNotFoundError: there is no nvidia-smi.
    """
    command = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    return listed.stdout.strip().splitlines() if listed.returncode == 0 else []


def device_name() -> str:
    """Return the name of the GPUs, or of the CPU: part of what decides a run's bytes."""
    if not visible_gpus():
        return cpu_name()
    return ", ".join(sorted(set(nvidia_smi("name")))) or "gpu"


def cpu_name() -> str:
    """Return model and widest vector instructions: AVX2 and AVX-512 give other weights after 60 steps."""
    facts, flags = _cpu_facts(), cpu_flags()
    if not facts:
        return platform.processor() or platform.machine()
    vector = next((name for name in ("avx512f", "avx2", "avx") if name in flags), "")
    name = facts.get("model name") or platform.machine()
    return f"{name} (family {facts.get('cpu family', '?')}, model {facts.get('model', '?')}) {vector}".strip()


def cpu_flags() -> list[str]:
    """Return the names of what the CPU can do; none where the system does not say."""
    return _cpu_facts().get("flags", "").split()


def _cpu_facts() -> dict[str, str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that decide a run's bytes; optional ones where installed."""
    versions = {name: version(name) for name in LIBRARIES}
    for name in OPTIONAL:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions
