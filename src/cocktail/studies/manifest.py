"""What a recorded study was made with: params, commit, libraries, hardware, digests, time, memory and energy.

Times and hosts are kept out of every DVC output; a recorded study is none, and says them.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from cocktail.config import Params
from cocktail.errors import RecordError
from cocktail.files.git import ask_git
from cocktail.files.records import digest_file, digest_value, read_json
from cocktail.files.store import Store, read_runtime, store_root
from cocktail.report.provenance import read_receipts
from cocktail.training.environment import cpu_name, nvidia_smi

LOCK = "requirements.lock"
PAGE = "reports/report.html"


def make_manifest(root: Path, params: Params, *, runtimes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the manifest of the study whose outputs lie below ``root``, the top of the repository.

    Args:
        runtimes: what trainings and answers cost that were kept in git, by their keys.

    Raises:
        RecordError: the answers are not those of the method in params, or something else is missing.
    """
    receipts = checked_receipts(root / "artifacts/answers", params)
    return {
        "study": params.study.name,
        "params": params.model_dump(),
        "git": {
            "commit": ask_git(root, "rev-parse", "HEAD"),
            "changed": ask_git(root, "status", "--porcelain").splitlines(),
        },
        "environment": {"python": platform.python_version(), "packages": packages()},
        "hardware": hardware(),
        "digests": {
            LOCK: digest_file(root / LOCK),
            "outputs": _output_digests(root / "dvc.lock", params),
            "receipts": digest_value(receipts),
        },
        "parameters": _parameters(receipts),
        "bases": base_facts(root / "artifacts/base", params),
        "made_on": made_on(receipts),
        "runtime": _runtime(receipts, runtimes),
    }


def packages() -> dict[str, str]:
    """Return the version of every installed package, by its name."""
    return {one.metadata["Name"]: one.version for one in distributions()}


def pinned_names(lock: Path) -> set[str]:
    """Return the names of the packages that a lock pins, as package indices compare them."""
    return {_plain(name) for name in re.findall(r"^([\w.-]+)==", lock.read_text(encoding="utf-8"), re.M)}


def public_versions(versions: Mapping[str, str], names: Container[str]) -> dict[str, str]:
    """Return the versions of the packages named; torch 2.13.0+cpu is 2.13.0, built for another device."""
    found = {_plain(name): version.partition("+")[0] for name, version in versions.items()}
    return {name: version for name, version in found.items() if name in names}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def hardware() -> dict[str, Any]:
    """Return what decides the bytes of a run, and how much of it there is."""
    return {
        "cpu": cpu_name(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpus": nvidia_smi("name") if shutil.which("nvidia-smi") else [],
    }


def _output_digests(lock: Path, params: Params) -> dict[str, str]:
    """Digest (DVC's md5) of every output of every stage but the page, which shows the records themselves.

    The lock keeps the stages of models that another study made; they are left out.
    """
    if not lock.is_file():
        raise RecordError("no dvc.lock: the pipeline has not run", where=str(lock), fix="dvc repro")
    stages = yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"]
    return {
        out["path"]: out["md5"]
        for name, stage in stages.items()
        if name.partition("@")[2] in ("", *params.models)
        for out in stage.get("outs", ())
        if out["path"] != PAGE
    }


def checked_receipts(answers: Path, params: Params) -> list[dict[str, Any]]:
    """Return the receipt of every run; they must be of the method that the record will be named by."""
    receipts = read_receipts(answers, params.models)
    methods = {one["config"]["method"] for one in receipts if one["trainable_parameters"]}
    if foreign := sorted(methods - {params.train.method}):
        raise RecordError(
            f"the answers are of method {', '.join(foreign)}, params of {params.train.method}",
            where=str(answers),
            fix="dvc repro",
        )
    return receipts


def _parameters(receipts: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Return each model's numbers of tuned and of all parameters, which its trained runs share."""
    return {
        one["model"]: {"trainable": one["trainable_parameters"], "total": one["total_parameters"]}
        for one in receipts
        if one["trainable_parameters"]
    }


def base_facts(bases: Path, params: Params) -> dict[str, dict[str, Any]]:
    """Return what each base is; of one from scratch its size, the tokens it read, and how long it was made.

    The seconds are in the store; they are null where the base was made elsewhere, or was not made at all.
    """
    found = {}
    for model in params.models:
        path = bases / model / "base.json"
        receipt = read_json(path)
        runtime = read_runtime(Store(store_root()).path("bases", receipt["identity"]))
        found[model] = {
            "kind": receipt["kind"],
            "parameters": receipt.get("parameters"),
            "tokens": receipt.get("pretraining", {}).get("tokens"),
            "seconds": round(runtime["seconds"], 1) if runtime else None,
        }
    return found


def _runtime(runs: Sequence[Mapping[str, Any]], kept: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Sum over the trainings and evaluation sets whose runtime.json is in the store, or kept.

    What nothing counted is null: energy without a counter, for example.
    """
    store = Store(store_root())
    trainings = {one["training_key"] for one in runs} - {""}
    answers = {asked["key"] for one in runs for asked in one["asked"].values()}
    found = {key: read_runtime(store.path("runs", key)) or kept.get(key, {}) for key in trainings}
    found |= {key: read_runtime(store.path("answers", key)) or kept.get(key, {}) for key in answers}
    times = [one for one in found.values() if one]
    counted = {key for key, one in found.items() if one.get("energy_joules") is not None}
    energy, memory, tokens, share = (
        [one[key] for one in times if one.get(key) is not None]
        for key in ("energy_joules", "peak_gpu_memory_bytes", "tokens_per_second", "share_of_ceiling")
    )
    parts = [
        [key for key in (one["training_key"], *(a["key"] for a in one["asked"].values())) if key]
        for one in runs
    ]
    gpu_seconds = sum(sum(one["seconds"].values()) * one.get("gpus", 0) for one in times)
    return {
        "runs": len(runs),
        "runs_with_times": sum(all(found[key] for key in keys) for keys in parts),
        "runs_with_energy": sum(counted.issuperset(keys) for keys in parts),
        "training_seconds": round(sum(one["seconds"].get("training", 0.0) for one in times), 1),
        "answering_seconds": round(sum(one["seconds"].get("answering", 0.0) for one in times), 1),
        "gpu_hours": round(gpu_seconds / 3600, 4),
        "watt_hours": round(sum(energy) / 3600, 2) if energy else None,
        "peak_memory_bytes": max((one["peak_memory_bytes"] for one in times), default=0),
        "peak_gpu_memory_bytes": max(memory, default=None),
        "median_tokens_per_second": median(tokens) if tokens else None,
        "median_share_of_ceiling": median(share) if share else None,
    }


def made_on(receipts: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return on which CPUs or GPUs runs were trained and answered, with how many runs had a part there."""
    devices = [
        {*one["answered_on"], *([one["made_on"]["device"]] if one["made_on"] else [])} for one in receipts
    ]
    return dict(sorted(Counter(device for run in devices for device in run).items()))
