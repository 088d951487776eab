"""What a recorded study was made with: params, commit, libraries, hardware, digests, time and memory.

Times and hosts are kept out of every DVC output; a recorded study is none, and says them.
"""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import yaml

from cocktail.config import Params
from cocktail.errors import RecordError
from cocktail.records import digest_file, read_json
from cocktail.scoring.answers import STAGES, read_runs
from cocktail.store import store_root

LOCK = "requirements.lock"


def make_manifest(root: Path, params: Params) -> dict[str, Any]:
    """Return the manifest of the study whose outputs lie below ``root``, the top of the repository."""
    return {
        "study": params.study.name,
        "params": params.model_dump(),
        "git": {
            "commit": _git(root, "rev-parse", "HEAD"),
            "changed": _git(root, "status", "--porcelain").splitlines(),
        },
        "environment": {
            "python": platform.python_version(),
            "packages": {one.metadata["Name"]: one.version for one in distributions()},
        },
        "hardware": hardware(),
        "digests": {LOCK: digest_file(root / LOCK), "outputs": _output_digests(root / "dvc.lock")},
        "runtime": _runtime(root / "artifacts/answers", params),
    }


def hardware() -> dict[str, Any]:
    """Return what decides the bytes of a run, and how much of it there is."""
    return {
        "cpu": _cpu(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpus": _gpus(),
    }


def _cpu() -> str:
    """Model name and the widest vector instructions: AVX2 and AVX-512 give other weights after 60 steps."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = facts.get("flags", "").split()
    vector = next((name for name in ("avx512f", "avx2", "avx") if name in flags), "")
    name = facts.get("model name") or platform.machine()
    return f"{name} (family {facts.get('cpu family', '?')}, model {facts.get('model', '?')}) {vector}".strip()


def _gpus() -> list[str]:
    try:
        listed = subprocess.run(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return []
    return listed.stdout.strip().splitlines() if listed.returncode == 0 else []


def _git(root: Path, *arguments: str) -> str:
    try:
        asked = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        raise RecordError(
            "git does not answer here", where=str(root), fix="record from a clone with git"
        ) from None
    return asked.stdout.strip()


def _output_digests(lock: Path) -> dict[str, str]:
    """Digest (DVC's md5) of every output of every stage."""
    if not lock.is_file():
        raise RecordError("no dvc.lock: the pipeline has not run", where=str(lock), fix="dvc repro")
    stages = yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"]
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", ())}


def _runtime(answers: Path, params: Params) -> dict[str, Any]:
    """Sum over the runs whose runtime.json is in the store; a run is found there by its receipt."""
    kept = {digest_file(path): path.parent for path in (store_root() / "answers").glob("*/*/receipt.json")}
    receipts = [
        answers / model / stage / f"{run}.json"
        for model in params.models
        for stage in STAGES
        for run in read_runs(answers / model / stage)
    ]
    digests = [digest_file(receipt) for receipt in receipts]
    times = [read_json(kept[one] / "runtime.json") for one in digests if one in kept]
    return {
        "runs": len(receipts),
        "runs_with_times": len(times),
        "training_seconds": round(sum(one["seconds"]["training"] for one in times), 1),
        "answering_seconds": round(sum(one["seconds"]["answering"] for one in times), 1),
        "peak_memory_bytes": max((one["peak_memory_bytes"] for one in times), default=0),
    }
