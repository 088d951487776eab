"""``cocktail new-task``: look at the rows, and write all files or none."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cocktail.tasks
from cocktail.config import FILLER, RawFile, check_params, mixable_tasks, task_names
from cocktail.config.compose import compose, known_studies
from cocktail.data.load import Loaded, load_source
from cocktail.errors import ConfigError, DataError, near, unknown
from cocktail.files.records import digest_file, write_json, write_text
from cocktail.studies.new_task.columns import Ask, Columns, Rows, find_columns, label_names, plain_text
from cocktail.studies.new_task.read import Given, split_rows
from cocktail.studies.new_task.texts import Wanted, golden, study_text, task_text
from cocktail.tasks import Task, load_task

OWN = Path("data/own")  # git ignores it
FEWEST = {"train": 40, "test": 20}  # rows; of fewer nothing can be told


@dataclass(frozen=True)
class Made:
    """What was written, and what the task is.

    Attributes:
        rows: by split, as they were written.
        names: value of the label column -> label.
    """

    task: Task
    columns: Columns
    rows: Mapping[str, Sequence[Mapping[str, Any]]]
    names: Mapping[str, str]
    files: tuple[Path, ...]


def make_task(
    root: Path,
    given: Given,
    wanted: Wanted,
    *,
    asked: Mapping[str, str],
    names: Mapping[str, str],
    ask: Ask | None = None,
) -> Made:
    """Write a task, its rows, its golden file and its study below ``root``; all of them or none.

    Args:
        root: of the repository.
        given: the rows.
        wanted: name, model, partners.
        asked: columns that were named: text, label, cluster; "": to be guessed.
        names: of label values that were given.
        ask: asks a person what a number is called.

    Raises:
        ConfigError: the name is taken or is none, or a model, source or partner is unknown.
        DataError: columns or labels cannot be told, or there are too few rows.
    """
    _check(root, wanted)
    where = given.origin
    rows = [*given.train, *(given.test or [])]
    columns = find_columns(rows, **asked, where=where)
    labels = label_names(rows, columns.label, names, where=where, ask=ask)
    train, test = given.train, given.test
    if test is None:
        train, test = split_rows(train, text=columns.text, cluster=columns.cluster)
    parts = {split: _plain_rows(part, columns, labels) for split, part in (("train", train), ("test", test))}
    for split, part in parts.items():
        if len(part) < FEWEST[split]:
            raise DataError(f"{len(part)} {split} rows, where {FEWEST[split]} are the fewest", where=where)
    return _write(root, wanted, columns, labels, parts, origin=given.origin)


def _check(root: Path, wanted: Wanted) -> None:
    problems = []
    if not re.fullmatch(r"[a-z][a-z0-9_]*", wanted.name):
        problems.append(f"the name {wanted.name!r} must be small letters, digits and _, as a module's")
    if wanted.name in [*task_names(), *known_studies(root / "conf")]:
        problems.append(f"{wanted.name!r} is there already; nothing is overwritten: take another name")
    for kind, name in (("model", wanted.model), ("source", wanted.source)):
        known = [path.stem for path in (root / "conf" / kind).glob("*.yaml")]
        problems += unknown([name], known, f"no {kind}")
    partners = [task for task in mixable_tasks() if task not in (wanted.name, FILLER)]
    problems += [f"no task {t!r} to mix{near(t, partners)}" for t in wanted.partners if t not in partners]
    package = (root / "src/cocktail/tasks").resolve()
    if package not in [Path(folder).resolve() for folder in cocktail.tasks.__path__]:
        problems.append(
            f"the package in use is not the one here: it looks for tasks elsewhere, not in {package}"
        )
    if problems:
        raise ConfigError(problems, where="cocktail new-task")
    taken = [path for path in _places(root, wanted.name).values() if path.exists()]
    if taken:
        raise ConfigError(
            [f"{path} is there already; nothing is overwritten" for path in taken], where=str(root)
        )


def _places(root: Path, name: str) -> dict[str, Path]:
    return {
        "train": root / OWN / name / "train.jsonl",
        "test": root / OWN / name / "test.jsonl",
        "task": root / f"src/cocktail/tasks/{name}.py",
        "golden": root / f"tests/golden/{name}.json",
        "study": root / f"conf/study/{name}.yaml",
    }


def _plain_rows(rows: Rows, columns: Columns, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """The columns that the task reads, labels by name."""
    found = []
    for row in rows:
        label = labels.get(plain_text(row[columns.label]), "")
        plain = {columns.text: row[columns.text], columns.label: label}
        found.append(plain | ({columns.cluster: str(row[columns.cluster])} if columns.cluster else {}))
    return found


def _write(
    root: Path,
    wanted: Wanted,
    columns: Columns,
    names: Mapping[str, str],
    parts: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    origin: str,
) -> Made:
    places, labels = _places(root, wanted.name), list(dict.fromkeys(names.values()))
    with all_or_none(places.values()):
        for split in ("train", "test"):
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in parts[split])
            write_text(places[split], "".join(lines))
        write_text(places["task"], task_text(wanted, columns, labels, origin=origin))
        importlib.invalidate_caches()
        task = load_task(wanted.name)
        write_json(places["golden"], golden(task, columns, labels))
        source = _source(places, wanted, task, parts)
        models = compose(root / "conf", "tiny", [f"model=[{wanted.model}]"])["models"]
        mini = models[wanted.model]["kind"] == "scratch"
        write_text(places["study"], study_text(wanted, source, mini=mini))
        check_params(compose(root / "conf", wanted.name), where=str(places["study"]), root=root)
        return Made(task, columns, parts, names, tuple(places.values()))


def _source(
    places: Mapping[str, Path], wanted: Wanted, task: Task, parts: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, Any]:
    """The entry under ``fetch.sources``: the folder, its two files by digest, and what a plan counts with."""
    loaded = load_own(places["train"].parent, task, max_quarantine_share=1.0)
    tables = [rows[["instruction", "input", "answer"]] for rows in loaded.rows.values() if len(rows)]
    lengths = [int(size) for table in tables for size in table.map(len).sum(axis=1)]
    return {
        "backend": "folder",
        "repo": (OWN / wanted.name).as_posix(),
        "licence": wanted.licence,
        "status": "original",
        "files": [
            {"path": places[split].name, "split": split, "sha256": digest_file(places[split])}
            for split in ("train", "test")
        ],
        "counts": {
            "rows": {split: len(part) for split, part in parts.items()},
            "characters": round(sum(lengths) / max(1, len(lengths)), 1) or 1.0,
        },
    }


def load_own(folder: Path, task: Task, *, max_quarantine_share: float) -> Loaded:
    """Return the examples of both files of a task of one's own."""
    files = [RawFile(path=f"{split}.jsonl", split=split) for split in ("train", "test")]
    return load_source(folder, task=task, files=files, max_quarantine_share=max_quarantine_share)


@contextmanager
def all_or_none(places: Iterable[Path]) -> Iterator[None]:
    """Remove what was written if something is refused on the way, or the command is stopped."""
    written = list(places)
    try:
        yield
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        with suppress(OSError):  # the folder was not made, or something else is in it
            written[0].parent.rmdir()
        raise
