"""Recorded studies: what they are, what they found and cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cocktail.errors import RecordError
from cocktail.report.methods import Record
from cocktail.report.side_by_side import (
    ClaimLine,
    claim_lines,
    data_text,
    floor_text,
    machines_text,
    models_text,
    standing_of,
    tunes,
)
from cocktail.report.table import MISSING

LIBRARIES = ("torch", "transformers", "trl", "peft")


@dataclass(frozen=True)
class Findings:
    """The claims of all studies, each by its leading record.

    ``studies`` names the cells of each line, ``standings`` tells tier and lock of each study.
    """

    studies: tuple[str, ...]
    standings: tuple[str, ...]
    claims: tuple[ClaimLine, ...]


def findings(studies: Mapping[str, Sequence[Record]]) -> Findings:
    """Return what each recorded study found, side by side."""
    records = [found[0] for found in studies.values() if tunes(found[0])]
    names = tuple(one.folder.name for one in records)
    return Findings(names, tuple(map(standing_of, records)), tuple(claim_lines(records)))


def side_by_side(facts: Mapping[str, Mapping[str, str]]) -> dict[str, list[str]]:
    """Return each fact with its value of every record; a record that lacks it has a dash."""
    names = dict.fromkeys(name for each in facts.values() for name in each)
    return {name: [each.get(name, MISSING) for each in facts.values()] for name in names}


def recorded(studies: Mapping[str, Sequence[Record]]) -> dict[str, dict[str, str]]:
    """Return, for each folder of recorded studies, what it is, its hardware, cost and versions.

    Raises:
        RecordError: a manifest is missing or lacks a fact.
    """
    found = {}
    for record in (one for records in studies.values() for one in records):
        try:
            found[record.folder.name] = _facts(record)
        except KeyError as error:
            raise RecordError(
                f"the manifest lacks {error}", where=str(record.folder), fix="make record"
            ) from None
    return found


def _facts(record: Record) -> dict[str, str]:
    manifest = record.manifest
    hardware, runtime, environment = manifest["hardware"], manifest["runtime"], manifest["environment"]
    changed = len(manifest["git"]["changed"])
    versions = [f"{name} {version}" for name, version in environment["packages"].items() if name in LIBRARIES]
    return {
        "study and method": f"{record.study}, {record.method}",
        "tier, rule, lock": standing_of(record),
        "data": data_text(manifest["params"]),
        "models": models_text(manifest),
        **({"tasks at floor": floor_text(record)} if tunes(record) else {}),
        "processor": f"{hardware['cores']} cores of {hardware['cpu']}",
        "GPUs": ", ".join(hardware["gpus"]) or "none",
        "runs made on": machines_text(manifest),
        "memory of the machine": _gigabytes(hardware["memory_bytes"]),
        "runs": f"{runtime['runs']}, of which {runtime['runs_with_times']} with times",
        "training, all workers": _minutes(runtime["training_seconds"]),
        "answering, all workers": _minutes(runtime["answering_seconds"]),
        "largest memory of a run": _gigabytes(runtime["peak_memory_bytes"]),
        **_gpu_facts(runtime),
        "commit": manifest["git"]["commit"][:12] + (f", {changed} changed files" if changed else ""),
        "versions": ", ".join([f"Python {environment['python']}", *versions]),
        "record": f"reports/studies/{record.folder.name}/manifest.json",
    }


def _gpu_facts(runtime: Mapping[str, Any]) -> dict[str, str]:
    """What only a GPU counts; a record without these numbers, or with none of them, says nothing."""
    energy, memory = runtime.get("watt_hours"), runtime.get("peak_gpu_memory_bytes")
    facts = {}
    if runtime.get("gpu_hours"):
        facts["GPU-hours"] = f"{runtime['gpu_hours']:.2f}"
    if energy is not None:
        facts["energy"] = f"{energy:.0f} Wh, counted in {runtime['runs_with_energy']} runs"
    if memory is not None:
        facts["largest GPU memory of a run"] = _gigabytes(memory)
    return facts


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size else MISSING


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
