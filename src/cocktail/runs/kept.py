"""Finished runs that are kept in git: receipt and codes, without weights and without text.

Below ``reports/studies/<record>/runs/<model>/<stage>/`` a run has two files: ``<run>.parquet``, its codes
(:mod:`cocktail.scoring.codes`), and ``<run>.json``: keys, the training's part of the receipt, how answers
ended and what they cost by evaluation set, the digest of the codes, and the digest of all this. Training and
answers are found by their keys alone, as in the store: what another plan, machine or version of the rules
left there is never taken for a run of this study.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from cocktail.config import Params, record_name
from cocktail.data.grid import Asked
from cocktail.errors import CocktailError, RecordError
from cocktail.files.records import (
    digest_file,
    digest_value,
    fresh_file,
    has_digest,
    read_json,
    read_table,
    write_json,
)
from cocktail.runs.finished import Answered, Finished

PRIVATE = ("host", "process")  # of a runtime: who made a run is nobody's business


def runs_folder(studies: Path, params: Params) -> Path:
    """Return where a study's kept runs are, in the folder of all recorded studies; it need not exist."""
    return studies / record_name(params) / "runs"


@dataclass(frozen=True)
class KeptRuns:
    """The kept runs below ``folder``; one of which a file was changed is named, and is as if it were not."""

    folder: Path

    def answers(self, asked: Asked, key: str) -> Answered | None:
        """Return the answers with this key as codes, or None if they are not kept."""
        path, facts = self._by_answers.get(key, (None, {}))
        if path is None:
            return None
        about = facts["answers"][asked.task]
        return Answered(asked, key, lambda: _codes(path, asked.task), about["receipt"], about["runtime"])

    def training(self, key: str) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
        """Return what a training came to and what it cost, or None if it is not kept."""
        facts = self._by_training.get(key)
        return (facts["training"], facts["runtime"]) if facts else None

    def runtimes(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield what each training and each evaluation set cost, with its key."""
        for _, facts in self._runs:
            yield facts["training_key"], facts["runtime"]
            yield from ((one["key"], one["runtime"]) for one in facts["answers"].values())

    @cached_property
    def _runs(self) -> list[tuple[Path, dict[str, Any]]]:
        found = []
        for path in sorted(self.folder.glob("*/*/*.json")):
            try:
                found.append((path, read_kept(path)))
            except CocktailError as error:
                print(f"{error}; the run is made again", file=sys.stderr)
        return found

    @cached_property
    def _by_training(self) -> dict[str, dict[str, Any]]:
        return {str(facts["training_key"]): facts for _, facts in self._runs}

    @cached_property
    def _by_answers(self) -> dict[str, tuple[Path, dict[str, Any]]]:
        return {
            str(one["key"]): (path, facts) for path, facts in self._runs for one in facts["answers"].values()
        }


def keep_run(folder: Path, finished: Finished, codes: pd.DataFrame) -> None:
    """Write the two files of a run."""
    name = finished.run.id
    table = folder / f"{name}.parquet"
    with fresh_file(table) as draft:
        codes.to_parquet(
            draft,
            index=False,
            compression="zstd",
            use_dictionary=[name for name in codes.columns if name != "item"],
            column_encoding={"item": "DELTA_BYTE_ARRAY"},  # neighbours differ in their last digits
        )
    facts = {
        "codes": digest_file(table),
        "training_key": finished.about["training_key"],
        "training": dict(finished.training),
        "runtime": _public(finished.runtime),
        "answers": {
            one.asked.task: {"key": one.key, "receipt": dict(one.receipt), "runtime": _public(one.runtime)}
            for one in finished.answers
        },
    }
    write_json(folder / f"{name}.json", {**facts, "digest": digest_value(facts)})


def read_kept(path: Path) -> dict[str, Any]:
    """Return what stands in a run's JSON file, checked, with its codes.

    Raises:
        RecordError: one of the run's two files was changed, or cannot be read.
    """
    table, fix = path.with_suffix(".parquet"), f"git checkout -- {path.parent}"
    try:
        facts: Any = read_json(path)
    except RecordError as error:
        raise RecordError(error.what, where=str(path), fix=fix) from None
    digest = facts.pop("digest", "") if isinstance(facts, dict) else ""
    if not isinstance(facts, dict) or not has_digest(facts, digest):
        raise RecordError("a kept run was changed", where=str(path), fix=fix)
    if not table.is_file() or digest_file(table) != facts["codes"]:
        raise RecordError("the codes of a kept run were changed", where=str(table), fix=fix)
    return facts


def _codes(path: Path, task: str) -> pd.DataFrame:
    codes = read_table(path.with_suffix(".parquet"))
    return codes[codes["item"].str.startswith(f"{task}:")]


def _public(runtime: Mapping[str, Any]) -> dict[str, Any]:
    return {name: fact for name, fact in runtime.items() if name not in PRIVATE}
