"""Finished runs that are kept in git: receipts and codes, without weights and without text.

``reports/studies/<record>/runs/`` has one file for each time that runs were kept,
``<number>-<digest>.parquet``: the codes of the answers that were new (:mod:`cocktail.scoring.codes`), by
their key, and in its metadata what is known of their runs: keys, the training's part of the receipt, how
answers ended and what they cost. Where two files have the same answers the later one counts. Training and
answers are found by their keys alone, as in the store: what another plan, machine or version of the rules
left there is never taken for a run of this study.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cocktail.config import Params, record_name
from cocktail.data.grid import Asked
from cocktail.data.table import BASIS
from cocktail.errors import CocktailError, RecordError
from cocktail.files.records import digest_file, fresh_file, read_table
from cocktail.runs.finished import Answered, Finished

PRIVATE = ("host", "process")  # of a runtime: who made a run is nobody's business
KEY = "key"  # the column that a kept table has more: the key of the answers
FACTS = b"cocktail.runs"
SHORT = 16  # hexadecimal digits of the digest that stand in a name


def runs_folder(studies: Path, params: Params) -> Path:
    """Return where a study's kept runs are, in the folder of all recorded studies; it need not exist."""
    return studies / record_name(params) / "runs"


@dataclass(frozen=True)
class KeptRuns:
    """The kept runs in ``folder``; a file that was changed is named, and is as if it were not."""

    folder: Path

    def answers(self, asked: Asked, key: str) -> Answered | None:
        """Return the answers with this key as codes, or None if they are not kept."""
        path, about = self._by_answers.get(key, (None, {}))
        if path is None:
            return None
        return Answered(
            asked, key, partial(_codes, path, key, about[BASIS]), about["receipt"], about["runtime"]
        )

    def holds(self, key: str, basis: str) -> bool:
        """Tell whether answers are kept as codes that were made like this."""
        _, about = self._by_answers.get(key, (None, {}))
        return about.get(BASIS) == basis

    def training(self, key: str) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
        """Return what a training came to and what it cost, or None if it is not kept."""
        facts = self._by_training.get(key)
        return (facts["training"], facts["runtime"]) if facts else None

    def runtimes(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield what each training and each evaluation set cost, with its key."""
        for _, facts in self._runs:
            yield facts["training_key"], facts["runtime"]
            yield from ((one[KEY], one["runtime"]) for one in facts["answers"].values())

    @cached_property
    def _runs(self) -> list[tuple[Path, dict[str, Any]]]:
        found = []
        for path in sorted(self.folder.glob("*.parquet")):
            try:
                found += [(path, facts) for facts in read_kept(path)]
            except CocktailError as error:
                print(f"{error}; its runs are made again", file=sys.stderr)
        return found

    @cached_property
    def _by_training(self) -> dict[str, dict[str, Any]]:
        return {str(facts["training_key"]): facts for _, facts in self._runs}

    @cached_property
    def _by_answers(self) -> dict[str, tuple[Path, dict[str, Any]]]:
        return {str(one[KEY]): (path, one) for path, facts in self._runs for one in facts["answers"].values()}


@dataclass(frozen=True)
class Coded:
    """A run to be kept.

    Attributes:
        finished: with those answers alone that are to be kept.
        codes: theirs, as :func:`cocktail.scoring.codes.code_answers` returns them.
        bases: what the codes of each evaluation set were made with.
    """

    finished: Finished
    codes: pd.DataFrame
    bases: Mapping[str, str]


def keep(folder: Path, runs: Sequence[Coded]) -> Path:
    """Write a new file of kept runs; return it."""
    tables = []
    for run in runs:
        keys = {one.asked.task: one.key for one in run.finished.answers}
        tables.append(run.codes.assign(**{KEY: run.codes["item"].str.partition(":")[0].map(keys)}))
    table = pa.Table.from_pandas(pd.concat(tables, ignore_index=True), preserve_index=False)
    return _write(folder, table, [_facts(run) for run in runs])


def join_kept(folder: Path) -> None:
    """Put the runs of all files of a finished study into one; of answers kept twice the later ones count.

    Raises:
        RecordError: a file was changed; then all stay.
    """
    paths = sorted(folder.glob("*.parquet"))
    if len(paths) < 2:
        return
    said = {path: read_kept(path) for path in paths}
    last = {one[KEY]: path for path in paths for facts in said[path] for one in facts["answers"].values()}
    tables, runs = [], []
    for path in paths:
        table = pq.read_table(path)
        tables.append(table.filter(pa.array(last[str(key)] == path for key in table[KEY].to_pylist())))
        for facts in said[path]:
            answers = {task: one for task, one in facts["answers"].items() if last[one[KEY]] == path}
            if answers or not facts["answers"]:
                runs.append({**facts, "answers": answers})
    _write(folder, pa.concat_tables(tables, promote_options="permissive"), runs)
    for path in paths:
        path.unlink()


def _write(folder: Path, table: pa.Table, facts: Sequence[Mapping[str, Any]]) -> Path:
    """Write codes and what is said of their runs as the next file of the folder, named by its content."""
    numbers = [int(path.name.partition("-")[0]) for path in folder.glob("*-*.parquet")]
    said = {**(table.schema.metadata or {}), FACTS: json.dumps(facts, sort_keys=True).encode()}
    packed = pa.BufferOutputStream()
    pq.write_table(
        table.replace_schema_metadata(said),
        packed,
        compression="zstd",
        use_dictionary=[name for name in table.column_names if name != "item"],
        column_encoding={"item": "DELTA_BYTE_ARRAY"},  # neighbours differ in their last digits
    )
    content = packed.getvalue().to_pybytes()
    digest = hashlib.sha256(content).hexdigest()[:SHORT]
    path = folder / f"{max(numbers, default=0) + 1:03}-{digest}.parquet"
    with fresh_file(path) as draft:
        draft.write_bytes(content)
    return path


def read_kept(path: Path) -> list[dict[str, Any]]:
    """Return what a file of kept runs says of each, checked.

    Raises:
        RecordError: the file was changed, or is none.
    """
    fix = f"git checkout -- {path.parent}"
    if digest_file(path)[:SHORT] != path.stem.partition("-")[2]:
        raise RecordError("kept runs were changed", where=str(path), fix=fix)
    try:
        facts: list[dict[str, Any]] = json.loads(pq.read_schema(path).metadata[FACTS])
    except (pa.ArrowException, LookupError, TypeError, ValueError, OSError):
        raise RecordError("no file of kept runs", where=str(path), fix=fix) from None
    return facts


def _facts(run: Coded) -> dict[str, Any]:
    finished = run.finished
    return {
        "run": finished.run.id,
        "model": finished.about["model"],
        "training_key": finished.about["training_key"],
        "training": dict(finished.training),
        "runtime": _public(finished.runtime),
        "answers": {
            one.asked.task: {
                KEY: one.key,
                BASIS: run.bases[one.asked.task],
                "receipt": dict(one.receipt),
                "runtime": _public(one.runtime),
            }
            for one in finished.answers
        },
    }


def _codes(path: Path, key: str, basis: str) -> pd.DataFrame:
    return _by_key(path)[key].assign(**{BASIS: basis})


@lru_cache(maxsize=8)
def _by_key(path: Path) -> dict[str, pd.DataFrame]:
    """The codes of a file by the key of their answers; read once, a file never changes under its name."""
    groups = read_table(path).groupby(KEY, sort=False)
    return {str(key): codes.drop(columns=KEY).reset_index(drop=True) for key, codes in groups}


def _public(runtime: Mapping[str, Any]) -> dict[str, Any]:
    return {name: fact for name, fact in runtime.items() if name not in PRIVATE}
