"""Finished runs that are kept in git: receipt and codes, without weights and without text.

Below ``reports/studies/<record>/runs/<model>/<stage>/`` a run has two files: ``<run>.parquet``, its codes
(:mod:`cocktail.scoring.codes`), and ``<run>.json``: the key of its answers, the digest of the codes, the
receipt, and what it cost. A run is found by its key alone, as in the store: what another plan, machine or
version of the code left there is never taken for a run of this study.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from cocktail.config import Params
from cocktail.errors import RunError
from cocktail.records import canonical_json, digest_file, digest_text, fresh_file, read_json, write_json

PRIVATE = ("host", "process")  # of runtime.json: who made a run is nobody's business


@dataclass(frozen=True)
class Finished:
    """A run that is done: the file of its answers or codes, its receipt, its key, and what it cost."""

    table: Path
    receipt: Mapping[str, Any]
    key: str
    runtime: Mapping[str, Any]

    @property
    def steps(self) -> int:
        """Optimiser steps."""
        return int(self.receipt["steps"])


def record_name(params: Params) -> str:
    """Return the name of a study's record: the study, and its method where that is not full fine-tuning."""
    study, method = params.study.name, params.train.method
    return study if method == "full" else f"{study}-{method}"


def runs_folder(studies: Path, params: Params) -> Path:
    """Return where a study's kept runs are, in the folder of all recorded studies; it need not exist."""
    return studies / record_name(params) / "runs"


@dataclass(frozen=True)
class KeptRuns:
    """The kept runs below ``folder``."""

    folder: Path

    def have(self, key: str) -> Finished | None:
        """Return the run with this key of answers, or None if it is not kept.

        Raises:
            RunError: its codes are missing or are not those that were kept.
        """
        path = self._by_key.get(key)
        if path is None:
            return None
        table, facts = path.with_suffix(".parquet"), read_json(path)
        if not table.is_file() or digest_file(table) != facts["codes"]:
            raise RunError(
                "the codes of a kept run were changed",
                where=str(table),
                fix=f"git checkout -- {path.parent}, or rm {path}: the run is trained again",
            )
        return Finished(table, facts["receipt"], key, facts["runtime"])

    def runtimes(self) -> dict[str, dict[str, Any]]:
        """Return what each run cost, by the digest of its receipt's file."""
        found = [read_json(path) for path in self._by_key.values()]
        return {digest_text(canonical_json(one["receipt"])): one["runtime"] for one in found}

    @cached_property
    def _by_key(self) -> dict[str, Path]:
        return {str(read_json(path)["answers_key"]): path for path in sorted(self.folder.glob("*/*/*.json"))}


def keep_run(folder: Path, run: str, finished: Finished, codes: pd.DataFrame) -> None:
    """Write the two files of a run."""
    table = folder / f"{run}.parquet"
    with fresh_file(table) as draft:
        codes.to_parquet(
            draft,
            index=False,
            compression="zstd",
            use_dictionary=[name for name in codes.columns if name != "item"],
            column_encoding={"item": "DELTA_BYTE_ARRAY"},  # neighbours differ in their last digits
        )
    facts = {
        "answers_key": finished.key,
        "codes": digest_file(table),
        "receipt": finished.receipt,
        "runtime": {name: fact for name, fact in finished.runtime.items() if name not in PRIVATE},
    }
    write_json(folder / f"{run}.json", facts)
