"""Rows and tokens of every source: from the prepared data of this very study, else from what is known of it.

Before the data are there, cleaning and leakage cannot be counted: rows are an upper bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from cocktail.config import FILLER, Params
from cocktail.config.compose import differences
from cocktail.data.grid import Asked
from cocktail.data.table import SPLITS, read_split
from cocktail.errors import DataError
from cocktail.files.records import read_json
from cocktail.studies.planning.facts import Sizes, raw_rows
from cocktail.tasks import load_task


@dataclass(frozen=True)
class SourceRows:
    """One task's data.

    Attributes:
        raw: rows of the raw train files.
        train: rows that mixtures may take.
        dev, test: rows that runs may be asked.
        characters: mean of instruction, input and answer of a row.
        tokens: of a row, at most ``train.max_length``.
        prompt_tokens: of a row that is asked, at most ``answer.max_prompt``.
    """

    raw: int
    train: int
    dev: int
    test: int
    characters: float
    tokens: float
    prompt_tokens: float

    def asked(self, asked: Asked) -> int:
        """Return how many rows a run is asked."""
        test = self.test if asked.test_rows is None else min(self.test, asked.test_rows)
        return test + (self.dev if asked.dev else 0)


def source_rows(params: Params, sizes: Sizes, *, prepared: Path | None) -> dict[str, SourceRows]:
    """Return every task's rows, counted in ``prepared``, or expected where there is no such folder.

    Raises:
        DataError: a source has no known size, or no train rows are left of it.
    """
    rows = _counted(params, sizes, prepared) if prepared else _expected(params, sizes)
    empty = [name for name in params.study.tasks if not rows[name].train]
    if empty:
        raise DataError(f"no train rows are left of {', '.join(empty)}", where="prepare.dev_rows")
    return rows


def prepared_data(composed: Mapping[str, Any], *, root: Path) -> Path | None:
    """Return the prepared data below ``root`` if dvc.lock says that they are of this configuration."""
    lock, prepared = root / "dvc.lock", root / "data/prepared"
    if not lock.is_file() or not (prepared / "report.json").is_file():
        return None
    stages = yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"]
    recorded: dict[str, Any] = {}
    for stage in ("fetch", "prepare"):
        recorded |= stages.get(stage, {}).get("params", {}).get("params.yaml", {})
    changed = [key for key, value in recorded.items() if list(differences(value, _at(composed, key)))]
    return prepared if recorded and not changed else None


def _at(composed: Mapping[str, Any], key: str) -> Any:
    value: Any = composed
    for part in key.split("."):
        value = value.get(part, {})
    return value


def _counted(params: Params, sizes: Sizes, prepared: Path) -> dict[str, SourceRows]:
    found = {}
    for name, counts in read_json(prepared / "report.json").items():
        kept = counts["kept"]
        tables = [read_split(prepared, name, split) for split in SPLITS if kept[split]]
        texts = [table[["instruction", "input", "answer"]].map(len).sum(axis=1) for table in tables]
        mean = sum(int(lengths.sum()) for lengths in texts) / max(1, sum(kept.values()))
        raw = counts.get("rows_in", kept)["train"]
        found[name] = _rows(params, sizes, raw=raw, kept=kept, characters=mean)
    return found


def _expected(params: Params, sizes: Sizes) -> dict[str, SourceRows]:
    """What ``prepare`` would leave of the raw rows if it had nothing to clean."""
    found = {}
    for name in dict.fromkeys((*params.study.tasks, *params.study.evaluations, params.prepare.filler_from)):
        size = sizes.source(name, params.fetch)
        raw = raw_rows(size, params.fetch)
        train, dev, test = (raw.get(split, 0) for split in ("train", "dev", "test"))
        at_most = min(params.prepare.dev_rows, int(params.prepare.dev_share * train))
        taken = min(at_most, dev or train) if load_task(name).evaluates else 0
        limit = params.prepare.test_rows
        answered = (test if limit is None else min(test, limit)) if load_task(name).evaluates else 0
        kept = {"train": train if dev else train - taken, "dev": taken, "test": answered}
        found[name] = _rows(params, sizes, raw=train, kept=kept, characters=size.characters)
    if params.prepare.filler_from != FILLER:  # half of it is set aside
        whole = found[params.prepare.filler_from]
        set_aside = whole.train // 2
        found[FILLER] = replace(whole, train=set_aside)
        found[params.prepare.filler_from] = replace(whole, train=whole.train - set_aside)
    return found


def _rows(
    params: Params, sizes: Sizes, *, raw: int, kept: Mapping[str, int], characters: float
) -> SourceRows:
    tokens = characters / sizes.assumptions.characters_a_token.value
    return SourceRows(
        raw=raw,
        train=kept["train"],
        dev=kept["dev"],
        test=kept["test"],
        characters=characters,
        tokens=min(tokens, params.train.max_length),
        prompt_tokens=min(tokens, params.answer.max_prompt),
    )
