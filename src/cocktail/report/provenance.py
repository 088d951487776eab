"""Where the numbers come from: data card, mixtures asked and got, runs and bases with their receipts.

A base from the Hub, or behind an endpoint, says nothing of its pretraining: it is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from cocktail.config import Params
from cocktail.files.records import read_json
from cocktail.report.table import Table
from cocktail.scoring.answers import STAGES, read_runs

Base = Mapping[str, Any]
PRETRAINING = (
    "text: tokens pretrained on, each once; last loss: mean of the last logged steps, nats a token; copied: "
    "share of repeated word lists that the base goes on with, after pretraining and at the end. The text was "
    "generated."
)


def data_note(params: Params) -> str:
    """Return the line that every table carries: study, method, kind of models, data that are no originals."""
    by_status = tasks_by_status(params.model_dump())
    parts = [f"{status}: {', '.join(tasks)}" for status, tasks in sorted(by_status.items())]
    data = parts[0].split(":")[0] if len(parts) == 1 else "; ".join(parts)
    small = [name for name, model in params.models.items() if model.kind == "scratch"]
    warning = " Miniature models from scratch: no statement about the paper's models." if small else ""
    method = "" if params.train.method == "full" else f", method {params.train.method}"
    return f"Study {params.study.name}{method}. Data: {data}.{warning}"


def tasks_by_status(params: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the tasks of a study by the status of their source; ``params`` as a manifest holds them."""
    by_status: dict[str, list[str]] = {}
    for task in dict.fromkeys([*params["study"]["tasks"], *params["study"]["evaluations"]]):
        by_status.setdefault(params["fetch"]["sources"][task]["status"], []).append(task)
    return by_status


def data_table(raw: Path, prepared: Path, *, note: str) -> Table:
    """The data card: source, licence and status; rows in, taken by each rule, kept per split."""
    report: Mapping[str, Any] = read_json(prepared / "report.json")
    rows = []
    for task, counts in report.items():
        path = raw / task / "receipt.json"
        receipt = read_json(path) if path.is_file() else {}  # filler may be part of another source
        facts = {name: receipt.get(name) for name in ("repo", "revision", "pinned", "licence", "status")}
        shown = {
            "rows in": _splits(counts.get("rows_in")),
            "quarantined": counts.get("quarantined"),
            "cleaned": _by_rule(counts.get("cleaning")),
            "leaking": _by_rule(counts.get("leakage")),
            "kept": _splits(counts.get("kept")),
        }
        rows.append({"task": task, **facts, **shown})
    title = "Data card: rows of train/dev/test that came in and were kept, and what took the others"
    return Table(name="data", title=title, note=note, frame=pd.DataFrame(rows), hidden=("revision",))


def _splits(counts: Mapping[str, int] | None) -> str:
    return "/".join(str(counts.get(split, 0)) for split in ("train", "dev", "test")) if counts else ""


def _by_rule(counts: Mapping[str, int] | None) -> str:
    """Counts of the rules that took anything, by name."""
    return ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in (counts or {}).items() if count)


def mixtures_table(mixtures: Path, *, note: str) -> Table:
    """Rows asked of and got from each source, for every run of the grid ("got/asked" where they differ)."""
    rows = []
    for run in read_json(mixtures / "index.json")["runs"]:
        mixture = read_json(mixtures / f"{run}.json")
        asked, got = mixture["asked"], mixture["got"]
        cells = {
            source: str(got[source]) if got[source] == asked[source] else f"{got[source]}/{asked[source]}"
            for source in asked
        }
        rows.append({"run": run, "kind": mixture["kind"], "rows": sum(got.values()), **cells})
    title = "Mixtures: rows of each source (got/asked where they differ)"
    return Table(name="mixtures", title=title, note=note, frame=pd.DataFrame(rows).fillna(""))


def read_receipts(answers: Path, models: Iterable[str]) -> list[dict[str, Any]]:
    """Return the receipt of every listed run of every model, with its stage."""
    return [
        {"stage": stage, **read_json(answers / model / stage / f"{run}.json")}
        for model in models
        for stage in STAGES
        for run in read_runs(answers / model / stage)
    ]


def _dev(receipt: Mapping[str, Any]) -> dict[str, Any]:
    """Which step's weights a run kept, and the share right on dev there, if dev was asked on the way."""
    kept = receipt.get("kept_step")
    return {} if kept is None else {"kept_step": kept, "dev_there": dict(map(tuple, receipt["dev"]))[kept]}


def runs_table(receipts: Iterable[Mapping[str, Any]], *, note: str) -> Table:
    """Every run: seed, rows, tokens, method, tuned parameters, loss, steps, and how its answers ended."""
    rows = []
    for receipt in receipts:
        per_source = receipt["rows"].values()
        counted = {key: sum(counts[key] for counts in per_source) for key in ("kept", "cut", "dropped")}
        plain = ("model", "stage", "run", "kind", "seed")
        ends = ("steps", "epochs", "answered", "empty_answers", "not_stopped", "rows_digest")
        rows.append(
            {name: receipt[name] for name in plain}
            | {"rows": counted["kept"], "cut": counted["cut"], "dropped": counted["dropped"]}
            | {"trained tokens": receipt["tokens"]["trained"], "tokens": receipt["tokens"]["total"]}
            | {"method": receipt["config"].get("method", "")}
            | {"trainable": receipt["trainable_parameters"], "of": receipt.get("total_parameters", "")}
            | {"last loss": float(receipt["loss"][-1][1]) if receipt["loss"] else None}
            | {name: receipt[name] for name in ends}
            | _dev(receipt)
        )
    frame = pd.DataFrame(rows).rename(columns=lambda name: name.replace("_", " "))
    title = "Runs: rows, tokens, method, tuned parameters, loss and steps from each run's receipt"
    return Table(name="runs", title=title, note=note, frame=frame, hidden=("rows digest",), digits=3)


def read_bases(bases: Path, models: Iterable[str]) -> dict[str, Base]:
    """Return the receipt of each base that was made from scratch, by model.

    Raises:
        RecordError: a model has no base.json, or it cannot be read.
    """
    receipts = {model: read_json(bases / model / "base.json") for model in models}
    return {model: receipt for model, receipt in receipts.items() if receipt["kind"] == "scratch"}


def pretraining_table(bases: Mapping[str, Base], *, note: str) -> Table:
    """One row per base."""
    rows = [_pretraining(model, base) for model, base in bases.items()]
    frame = pd.DataFrame(rows, columns=None if rows else ["model", "parameters", "text"])
    title = "Pretraining of bases made from scratch"
    return Table(name="pretraining", title=title, note=f"{note} {PRETRAINING}", frame=frame, digits=2)


def _pretraining(model: str, base: Base) -> dict[str, Any]:
    seen, copied = base["pretraining"], base["copy_probe"]
    return {
        "model": model,
        **{key: base[key] for key in ("parameters", "vocabulary")},
        "text": seen["tokens"],
        "steps": seen["steps"],
        "last loss": float(seen["loss"][-1][1]) if seen["loss"] else None,
        "copied": f"{copied['after_pretraining']:.2f}, {copied['at_the_end']:.2f}",
    }
