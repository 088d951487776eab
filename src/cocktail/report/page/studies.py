"""Recorded studies: what they are, what they found and cost; and the studies that were not run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cocktail.errors import RecordError
from cocktail.report.methods import Record, ordered_studies
from cocktail.report.side_by_side import (
    REBUILT_BY,
    ClaimLine,
    claim_lines,
    data_text,
    floor_text,
    models_text,
    standing_of,
    tunes,
)
from cocktail.report.table import MISSING

LIBRARIES = ("torch", "transformers", "trl", "peft")


@dataclass(frozen=True)
class StudyFact:
    """One line about a record: what, and its value as shown."""

    what: str
    value: str


@dataclass(frozen=True)
class Findings:
    """The claims of all studies, each by its leading record.

    ``studies`` names the cells of each line, ``standings`` tells tier and lock of each study.
    """

    studies: tuple[str, ...]
    standings: tuple[str, ...]
    claims: tuple[ClaimLine, ...]


def findings(studies: Path) -> Findings:
    """Return what each recorded study found, side by side."""
    records = [found[0] for found in ordered_studies(studies).values() if tunes(found[0])]
    names = tuple(one.folder.name for one in records)
    return Findings(names, tuple(map(standing_of, records)), tuple(claim_lines(records)))


def side_by_side(facts: Mapping[str, Sequence[StudyFact]]) -> dict[str, list[str]]:
    """Return each fact with its value of every record; a record that lacks it has a dash."""
    names = dict.fromkeys(fact.what for each in facts.values() for fact in each)
    values = [{fact.what: fact.value for fact in each} for each in facts.values()]
    return {name: [each.get(name, MISSING) for each in values] for name in names}


def recorded(studies: Path) -> dict[str, list[StudyFact]]:
    """Return, for each folder of recorded studies, what it is, its hardware, cost and versions.

    Raises:
        RecordError: a manifest is missing or lacks a fact.
    """
    found = {}
    for record in (one for records in ordered_studies(studies).values() for one in records):
        try:
            found[record.folder.name] = _facts(record)
        except KeyError as error:
            raise RecordError(
                f"the manifest lacks {error}", where=str(record.folder), fix="make record"
            ) from None
    return found


def not_recorded(configured: Path, studies: Path) -> list[str]:
    """Return the studies in conf/study that have no record."""
    found = ordered_studies(studies)
    return [path.stem for path in sorted(configured.glob("*.yaml")) if path.stem not in found]


def _facts(record: Record) -> list[StudyFact]:
    manifest = record.manifest
    hardware, runtime, environment = manifest["hardware"], manifest["runtime"], manifest["environment"]
    changed = len(manifest["git"]["changed"])
    commit = manifest["git"]["commit"][:12] + (f", {changed} changed files" if changed else "")
    rebuilt = REBUILT_BY.get(record.study)
    versions = [f"{name} {version}" for name, version in environment["packages"].items() if name in LIBRARIES]
    return [
        StudyFact("study and method", f"{record.study}, {record.method}"),
        StudyFact("tier, lock", standing_of(record)),
        StudyFact("data", data_text(manifest["params"])),
        StudyFact("models", models_text(manifest)),
        *([StudyFact("tasks at floor", floor_text(record))] if tunes(record) else []),
        StudyFact("processor", f"{hardware['cores']} cores of {hardware['cpu']}"),
        StudyFact("GPUs", ", ".join(hardware["gpus"]) or "none"),
        StudyFact("memory of the machine", _gigabytes(hardware["memory_bytes"])),
        StudyFact("runs", f"{runtime['runs']}, of which {runtime['runs_with_times']} with times"),
        StudyFact("training, all workers", _minutes(runtime["training_seconds"])),
        StudyFact("answering, all workers", _minutes(runtime["answering_seconds"])),
        StudyFact("largest memory of a run", _gigabytes(runtime["peak_memory_bytes"])),
        *_gpu_facts(runtime),
        StudyFact("commit", commit),
        *([StudyFact("rebuilt by", f"commit {rebuilt}; not by this version")] if rebuilt else []),
        StudyFact("versions", ", ".join([f"Python {environment['python']}", *versions])),
        StudyFact("record", f"reports/studies/{record.folder.name}/manifest.json"),
    ]


def _gpu_facts(runtime: Mapping[str, Any]) -> list[StudyFact]:
    """What only a GPU counts; a record without these numbers, or with none of them, says nothing."""
    energy, memory = runtime.get("watt_hours"), runtime.get("peak_gpu_memory_bytes")
    facts = []
    if runtime.get("gpu_hours"):
        facts.append(StudyFact("GPU-hours", f"{runtime['gpu_hours']:.2f}"))
    if energy is not None:
        facts.append(StudyFact("energy", f"{energy:.0f} Wh, counted in {runtime['runs_with_energy']} runs"))
    if memory is not None:
        facts.append(StudyFact("largest GPU memory of a run", _gigabytes(memory)))
    return facts


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size else MISSING


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
