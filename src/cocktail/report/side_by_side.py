"""Recorded studies side by side: what each is and what it found, for the README and the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cocktail.claims.reasons import told
from cocktail.claims.rows import ClaimVerdicts, VerdictRow, Verdicts, read_verdicts
from cocktail.files.records import read_json
from cocktail.report.methods import Record
from cocktail.report.provenance import tasks_by_status
from cocktail.report.verdicts import effect_text


@dataclass(frozen=True)
class Told:
    """One verdict as a cell tells it: of which model (empty: of the only one), its effect, its reason.

    ``text`` is effect and reason, ``effect`` the effect alone; it is empty where nothing was tested.
    """

    who: str
    verdict: str
    text: str
    effect: str


@dataclass(frozen=True)
class ClaimLine:
    """One claim over the studies; a study that does not know the claim has no verdict on it."""

    number: int
    title: str
    cells: tuple[tuple[Told, ...], ...]


def tunes(record: Record) -> bool:
    """Return whether a study tunes a model: of untuned models alone no claim speaks."""
    return not all(map(_untuned, record.manifest["params"]["models"].values()))


def claim_lines(records: Sequence[Record]) -> list[ClaimLine]:
    """Return one line a primary claim, and of a number without any its first; one cell a record."""
    studies = [{claim.id: claim for claim in verdicts_of(record).claims} for record in records]
    every = [claim for claims in studies for claim in claims.values()]
    primary = {claim.number for claim in every if claim.family == "primary"}
    shown: dict[str, ClaimVerdicts] = {}
    others: set[int] = set()
    for claim in every:
        first = claim.number not in primary | others
        others |= {claim.number} if first else set()
        if first or claim.family == "primary":
            shown.setdefault(claim.id, claim)
    return [
        ClaimLine(
            number=claim.number,
            title=claim.title,
            cells=tuple(_told(claims[name]) if name in claims else () for claims in studies),
        )
        for name, claim in sorted(shown.items(), key=lambda one: one[1].number)
    ]


def standing_of(record: Record) -> str:
    """Return tier, rule and lock of a recorded study, for its column."""
    return verdicts_of(record).short_standing


def data_text(params: Mapping[str, Any]) -> str:
    """Return which sources are the originals and which are not; ``params`` as a manifest holds them."""
    by_status = tasks_by_status(params)
    named = "; ".join(f"{status}: {', '.join(by_status[status])}" for status in _statuses(params))
    return data_kind(params) if len(by_status) == 1 else f"real data; {named}"


def data_kind(params: Mapping[str, Any]) -> str:
    """Return in a few words what the data are, without the names of the sources."""
    statuses = _statuses(params)
    return f"{statuses[0]} data" if len(statuses) == 1 else f"real data ({', '.join(statuses)})"


def models_text(manifest: Mapping[str, Any], *, pretraining: bool = True) -> str:
    """Return each model, those that are trained first; ``pretraining``: what a base from scratch took."""
    models: Mapping[str, Any] = manifest["params"]["models"]
    trained_first = sorted(models, key=lambda name: bool(_untuned(models[name])))
    return "; ".join(_model(name, manifest, pretraining) for name in trained_first)


def cost_text(manifest: Mapping[str, Any]) -> str:
    """Return runs, hours of the workers and, on GPUs, GPU-hours and energy as far as counted; and where."""
    hardware, runtime = manifest["hardware"], manifest["runtime"]
    hours = (runtime["training_seconds"] + runtime["answering_seconds"]) / 3600
    parts = [f"{runtime['runs']} runs", f"{hours:.2f} worker-hours"]
    if hardware["gpus"] and runtime.get("gpu_hours") is not None:
        parts.append(f"{runtime['gpu_hours']:.2f} GPU-hours")
    if hardware["gpus"] and runtime.get("watt_hours") is not None:
        counted, runs = runtime["runs_with_energy"], runtime["runs"]
        some = "" if counted == runs else f" (counted in {counted} runs)"
        parts.append(f"{runtime['watt_hours']:.0f} Wh{some}")
    return f"{', '.join(parts)} on {machines_text(manifest)}"


def machines_text(manifest: Mapping[str, Any]) -> str:
    """Return where runs were made: the recording machine, or each type with its runs where there are more."""
    hardware, made_on = manifest["hardware"], manifest.get("made_on", {})
    if len(made_on) > 1:
        return ", ".join(f"{name} ({count} runs)" for name, count in made_on.items())
    return ", ".join(hardware["gpus"]) or f"{hardware['cores']} cores of {hardware['cpu']}"


def floor_text(record: Record) -> str:
    """Return the tasks at the floor, by model: nothing that was explored beats a blind guess on dev."""
    beaten: dict[str, dict[str, bool]] = {}
    for row in read_json(record.folder / "comparison.json")["arms"]:
        tasks = beaten.setdefault(row["model"], {})
        tasks[row["task"]] = tasks.get(row["task"], False) or row["flag"] != "floor"
    lists = {
        model: ", ".join(task for task, beats in tasks.items() if not beats)
        for model, tasks in beaten.items()
    }
    named = len(lists) > 1
    return "; ".join((f"{model}: " if named else "") + (tasks or "none") for model, tasks in lists.items())


def _statuses(params: Mapping[str, Any]) -> list[str]:
    """The kinds of sources of a study, originals last."""
    return sorted(tasks_by_status(params), key=lambda status: (status == "original", status))


def verdicts_of(record: Record) -> Verdicts:
    """Return the verdicts of a record."""
    return read_verdicts(record.folder / "claims.json")


def _told(claim: ClaimVerdicts) -> tuple[Told, ...]:
    rows = claim.headlines()
    found = []
    for row in rows:
        who = row.model if row.control_model == row.model else f"{row.model} against {row.control_model}"
        # Of what is not tested no effect, though a number may have been measured.
        effect = "" if row.verdict == "not tested" else effect_text(row)
        found.append(Told(who if len(rows) > 1 else "", row.verdict, _text(row), effect))
    return tuple(found)


def _text(row: VerdictRow) -> str:
    """Effect and reasons, but for what stands in the documents' notes: that a task is no target."""
    if row.verdict == "not tested":
        return told([one for one in row.reasons if one.code != "target"]) or row.reason
    return ", ".join([*([effect_text(row)] if row.effect is not None else []), *map(str, row.reasons)])


def _model(name: str, manifest: Mapping[str, Any], pretraining: bool) -> str:
    """A model with its parameters and, as far as the record tells, its pretraining."""
    config, base = manifest["params"]["models"][name], manifest.get("bases", {}).get(name, {})
    total = base.get("parameters") or manifest.get("parameters", {}).get(name, {}).get("total")
    facts = [f"{total / 1e6:.3g} million parameters"] if total else []
    if config["kind"] == "scratch":
        made = "from scratch"
        if pretraining and base.get("tokens"):
            made += f" on {base['tokens'] / 1e6:.3g} million tokens"
        if pretraining and base.get("seconds"):
            made += f" in {base['seconds'] / 3600:.2f} h"
        facts.append(made)
    else:
        facts.append(config["repo"] or config["served"] or "a folder")
    return f"{name}: {', '.join([*facts, *_untuned(config)])}"


def _untuned(config: Mapping[str, Any]) -> list[str]:
    return ["untuned"] if config["reference"] or config["kind"] == "endpoint" else []
