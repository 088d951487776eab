"""Recorded studies, and the table of fine-tuning methods: one study, recorded once with each method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cocktail.config import general_tasks
from cocktail.errors import RecordError, near
from cocktail.files.records import read_json
from cocktail.report.table import MISSING, Table, cell_text, to_markdown

ARMS = ("single", "all")
FULL = "full"
# What says most about the paper comes first, as far as it is recorded; other studies after these, by name.
ORDER = ("paper", "proxy", "tiny", "smoke")


@dataclass(frozen=True)
class Record:
    """One folder of recorded studies; study and method are those of its params, whatever its name is."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def study(self) -> str:
        return str(self.manifest["params"]["study"]["name"])

    @property
    def method(self) -> str:
        return str(self.manifest["params"]["train"]["method"])


def read_studies(studies: Path) -> dict[str, list[Record]]:
    """Return the records of each study, full fine-tuning first, then by method: the first stands for it.

    A folder with kept runs alone is no record yet: the study is still running. A file is none: README.md.
    """
    folders = sorted(path for path in studies.iterdir() if path.is_dir()) if studies.is_dir() else []
    folders = [folder for folder in folders if [path.name for path in folder.iterdir()] != ["runs"]]
    records = [Record(folder, read_json(folder / "manifest.json")) for folder in folders]
    by_study: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda one: (one.method != FULL, one.method)):
        by_study.setdefault(record.study, []).append(record)
    return by_study


def record_folder(studies: Path, name: str) -> Path:
    """Return the folder of a record.

    Raises:
        RecordError: there is none of this name.
    """
    known = [path.name for path in sorted(studies.glob("*")) if path.is_dir()]
    if name not in known:
        raise RecordError(f"no study {name!r} is recorded{near(name, known)}", where=str(studies))
    return studies / name


def ordered_studies(studies: Path) -> dict[str, list[Record]]:
    """Return :func:`read_studies` in the order in which documents show them."""
    found = read_studies(studies)
    rank = {name: place for place, name in enumerate(ORDER)}
    return {name: found[name] for name in sorted(found, key=lambda one: (rank.get(one, len(ORDER)), one))}


def methods_table(records: Sequence[Record]) -> Table:
    """One row per model and method: strict accuracy of the single task and of all sources, explored seed.

    Links start in the folder of the records.
    """
    cells = [(record, _accuracies(record)) for record in records]
    models = dict.fromkeys(model for _, found in cells for model, _, _ in found)
    general = general_tasks()
    tasks = [
        name for name in dict.fromkeys(t for _, found in cells for _, t, _ in found) if name not in general
    ]
    rows = [
        {
            "model": model,
            "method": record.method,
            "trainable": record.manifest.get("parameters", {}).get(model, {}).get("trainable", ""),
            **{task: _pair([found.get((model, task, arm)) for arm in ARMS]) for task in tasks},
            "mean": _pair([_mean([found.get((model, task, arm)) for task in tasks]) for arm in ARMS]),
            "record": f"[{record.folder.name}]({record.folder.name}/manifest.json)",
        }
        for model in models
        for record, found in cells
        if any(key[0] == model for key in found)
    ]
    title = "Methods: accuracy on test (strict, points) of the single task / of all sources"
    seeds = sorted({str(record.manifest["params"]["study"]["seed"]) for record in records})
    note = (
        f"Study {records[0].study}, seed {' and '.join(seeds)}: exploratory. trainable: tuned parameters; "
        "mean: over the tasks shown."
    )
    return Table(name="methods", title=title, note=note, frame=pd.DataFrame(rows))


def methods_block(records: Sequence[Record]) -> str:
    """Return the table in Markdown; nothing where a study is recorded with one method alone."""
    return to_markdown(methods_table(records)) if len(records) > 1 else ""


def _accuracies(record: Record) -> dict[tuple[str, str, str], float]:
    """The explored points of the compared arms, by model, task and arm."""
    return {
        (row["model"], row["task"], row["arm"]): 100 * row["accuracy_strict"]
        for row in read_json(record.folder / "comparison.json")["arms"]
        if row["stage"] == "explore" and row["arm"] in ARMS
    }


def _mean(values: Sequence[float | None]) -> float | None:
    """A mean over fewer tasks could not be compared: none."""
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if len(present) == len(values) > 0 else None


def _pair(values: Sequence[float | None]) -> str:
    shown = [cell_text(value, digits=1) for value in values]
    return MISSING if set(shown) == {MISSING} else " / ".join(shown)
