"""The README's first screen: the recorded studies side by side, from their records and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cocktail.records import read_json
from cocktail.report.methods import Record
from cocktail.report.provenance import tasks_by_status
from cocktail.report.table import MISSING
from cocktail.report.verdicts import Claim, Row, effect_text, headlines

GROUPS = {  # what is said of a study -> the verdicts that it counts
    "Held": ("supported",),
    "Did not hold": ("contradicted", "not supported"),
    "Undecided": ("under-powered",),
    "Not tested": ("not tested",),
}
RULE = (
    "Effects in points of accuracy on test, with {level} intervals over seeds and items; k of n tasks: as "
    "many were confirmed and can be tested. Not tested: nothing is said, neither for nor against; floor: no "
    "run is shown to beat a blind guess. The rule: [Verdicts](#verdicts)."
)


MINIATURES = (
    "Models from scratch are miniatures: the method and each comparison are replicated with them, not the "
    "paper's numbers. "
)


def overview(records: Sequence[Record]) -> str:
    """Return what each study is and what it found, then one row a claim with one column a study.

    Args:
        records: of full fine-tuning, in the order of the columns.
    """
    claims = {record.folder.name: _read_claims(record) for record in records}
    shown = _shown_claims([claim for each in claims.values() for claim in each.values()])
    lines = [line for record in records for line in _study(record, claims[record.folder.name], shown)]
    if shown:
        levels = {f"{record.manifest['params']['compare']['confidence']:.0%}" for record in records}
        first = MINIATURES if any(map(_miniature, records)) else ""
        rule = RULE.format(level=" or ".join(sorted(levels)))
        lines += ["", *_table(claims, shown), "", f"{first}{rule}"]
    return "\n".join([*lines, ""])


def cost_text(manifest: Mapping[str, Any]) -> str:
    """Return runs, hours of the workers and, on GPUs, GPU-hours and energy as far as counted; and where."""
    hardware, runtime = manifest["hardware"], manifest["runtime"]
    device = ", ".join(hardware["gpus"]) or f"{hardware['cores']} cores of {hardware['cpu']}"
    hours = (runtime["training_seconds"] + runtime["answering_seconds"]) / 3600
    parts = [f"{runtime['runs']} runs", f"{hours:.2f} worker-hours"]
    if hardware["gpus"] and runtime.get("gpu_hours") is not None:
        parts.append(f"{runtime['gpu_hours']:.2f} GPU-hours")
    if hardware["gpus"] and runtime.get("watt_hours") is not None:
        counted, runs = runtime["runs_with_energy"], runtime["runs"]
        some = "" if counted == runs else f" (counted in {counted} runs)"
        parts.append(f"{runtime['watt_hours']:.0f} Wh{some}")
    return f"{', '.join(parts)} on {device}"


def floor_tasks(comparison: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return, by model, the tasks on which no compared arm is shown to be better than a blind guess."""
    beaten: dict[str, dict[str, bool]] = {}
    for row in comparison["arms"]:
        tasks = beaten.setdefault(row["model"], {})
        tasks[row["task"]] = tasks.get(row["task"], False) or row["low"] > row["guess"]
    return {model: [task for task, beats in tasks.items() if not beats] for model, tasks in beaten.items()}


def _miniature(record: Record) -> bool:
    return any(model["kind"] == "scratch" for model in record.manifest["params"]["models"].values())


def _read_claims(record: Record) -> dict[str, Claim]:
    """The claims of a record by id; records older than claims have none."""
    path = record.folder / "claims.json"
    return {claim["id"]: claim for claim in read_json(path)["claims"]} if path.is_file() else {}


def _shown_claims(claims: Sequence[Claim]) -> dict[str, str]:
    """Id and heading of the primary claims, and of a number without any the first."""
    primary = {claim["number"] for claim in claims if claim["family"] == "primary"}
    first: dict[int, str] = {}
    for claim in claims:
        first.setdefault(claim["number"], claim["id"])
    return {
        claim["id"]: f"{claim['number']}. {claim['title']}"
        for claim in sorted(claims, key=lambda one: int(one["number"]))
        if claim["family"] == "primary"
        or (claim["number"] not in primary and first[claim["number"]] == claim["id"])
    }


def _study(record: Record, claims: Mapping[str, Claim], shown: Mapping[str, str]) -> Iterator[str]:
    """One point of the list: what the study is, its tasks at floor, what held and what did not."""
    manifest, params = record.manifest, record.manifest["params"]
    study, name = params["study"], record.folder.name
    seeds = f"explored with seed {study['seed']}"
    if study["confirm_seeds"]:
        seeds += f", confirmed with seeds {', '.join(map(str, study['confirm_seeds']))}"
    trained_first = sorted(params["models"], key=lambda name: bool(_untuned(params["models"][name])))
    models = "; ".join(_model(model, manifest) for model in trained_first)
    yield (
        f"- **[{name}](reports/studies/{name}/manifest.json)**: {_data(params)}. {models}. "
        f"{cost_text(manifest)}; {seeds}.<br>"
    )
    floors = floor_tasks(read_json(record.folder / "comparison.json"))
    at_floor = "; ".join(
        (f"{model}: " if len(floors) > 1 else "") + (", ".join(tasks) or "none")
        for model, tasks in floors.items()
    )
    yield f"  **At floor** (no compared run is shown to beat a blind guess): {at_floor}.<br>"
    yield "  " + " ".join(_findings(claims, shown))


def _data(params: Mapping[str, Any]) -> str:
    """Which sources are the originals and which are not."""
    by_status = tasks_by_status(params)
    if len(by_status) == 1:
        return f"{next(iter(by_status))} data"
    order = sorted(by_status, key=lambda status: (status == "original", status))
    return "real data; " + "; ".join(f"{status}: {', '.join(by_status[status])}" for status in order)


def _model(name: str, manifest: Mapping[str, Any]) -> str:
    """A model with its parameters and, as far as the record tells, its pretraining."""
    config, base = manifest["params"]["models"][name], manifest.get("bases", {}).get(name, {})
    total = base.get("parameters") or manifest.get("parameters", {}).get(name, {}).get("total")
    facts = [f"{total / 1e6:.3g} million parameters"] if total else []
    if config["kind"] == "scratch":
        made = "from scratch"
        if base.get("tokens"):
            made += f" on {base['tokens'] / 1e6:.3g} million tokens"
        if base.get("seconds"):
            made += f" in {base['seconds'] / 3600:.2f} h"
        facts.append(made)
    else:
        facts.append(config["repo"] or config["served"])
    return f"Model {name}: {', '.join([*facts, *_untuned(config)])}"


def _untuned(config: Mapping[str, Any]) -> list[str]:
    return ["untuned"] if config["reference"] or config["kind"] == "endpoint" else []


def _findings(claims: Mapping[str, Claim], shown: Mapping[str, str]) -> Iterator[str]:
    """What held, what did not, what is undecided and what was not tested, by the titles of the claims."""
    for group, verdicts in GROUPS.items():
        named = []
        for claim in (claims[name] for name in shown if name in claims):
            rows = headlines(claim)
            found = [row for row in rows if row["verdict"] in verdicts]
            where = [_who(row) for row in found] if len(rows) > len(found) > 0 else []
            told = [row["verdict"] for row in found[:1] if row["verdict"] == "contradicted"]
            note = f" ({', '.join([*told, *where])})" if told or where else ""
            named += [f"{claim['title']}{note}"] if found else []
        if named or group in ("Held", "Did not hold"):
            yield f"**{group}**: {'; '.join(named) or 'none'}."


def _table(claims: Mapping[str, Mapping[str, Claim]], shown: Mapping[str, str]) -> Iterator[str]:
    yield "| " + " | ".join(["claim", *claims]) + " |"
    yield "| --- " * (len(claims) + 1) + "|"
    for name, heading in shown.items():
        cells = [_cell(each[name]) if name in each else MISSING for each in claims.values()]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in [heading, *cells]) + " |"


def _cell(claim: Claim) -> str:
    """A verdict with its effect and reason, one line each model."""
    rows = headlines(claim)
    return "<br>".join((f"{_who(row)}: " if len(rows) > 1 else "") + _verdict(row) for row in rows)


def _who(row: Row) -> str:
    against = row["control_model"]
    return row["model"] if against == row["model"] else f"{row['model']} against {against}"


def _verdict(row: Row) -> str:
    verdict, reasons = row["verdict"], row["reason"].split("; ") if row["reason"] else []
    if verdict == "not tested":
        # That a task is no target is said by "k of n tasks" and in full below; here what else is missing.
        told = [one for one in reasons if not one.endswith(("in study.targets", " more"))] or reasons
        return f"not tested: {'; '.join(told)}"
    marked = f"**{verdict}**" if verdict in ("supported", "contradicted") else verdict
    told = [one for one in reasons if not one.startswith("k = ")]  # tries in place of seeds: in full below
    effect = [effect_text(row)] if row["effect"] is not None else []
    return " ".join([marked, ", ".join([*effect, *told])]).strip()
