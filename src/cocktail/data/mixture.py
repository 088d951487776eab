"""Mixtures: what each run asks of each source (plan), and the rows that it gets (outcome).

The paper takes the first N rows of each source after a shuffle, concatenates, and shuffles again. N is a
cap for the finance sets. The two general sets follow from G, the rows that all other sets of the study give
together: Open-Orca gives G rows, Orca-Math G / 2, in every run alike, also alone, and also where a finance
set is left out. Asked and got both stand in the file, so that a source with too few rows is seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cocktail.config import FILLER, SHARED_OUT_TASKS, Params
from cocktail.data.grid import Run
from cocktail.data.table import read_split
from cocktail.errors import RunError
from cocktail.files.records import fresh_folder, list_digests, read_json, write_json

Counts = dict[str, int]


@dataclass(frozen=True)
class Mixture:
    """The rows of one run.

    Attributes:
        run: the run's id.
        kind: the run's kind.
        sources: the sources that rows come from; for ``size`` runs with the filler.
        rows: item ids in training order.
        asked: rows asked of each source.
        got: rows that each source gave.
    """

    run: str
    kind: str
    sources: tuple[str, ...]
    rows: tuple[str, ...]
    asked: Counts
    got: Counts


def train_items(prepared: Path) -> dict[str, list[str]]:
    """Return the train item ids of every prepared task that may be mixed."""
    tasks = read_json(prepared / "tasks.json")
    return {
        name: read_split(prepared, name, "train")["item"].tolist()
        for name, task in tasks.items()
        if task["trains"]
    }


def source_sizes(params: Params, available: Mapping[str, int]) -> Counts:
    """Return how many rows each source of the study gives to every mixture it is in.

    With ``mix.temperature`` or ``mix.weights`` the rows that the capped sources give together are shared out
    anew, by weight x rows^(1 / temperature), as multilingual models sample their languages (T5 and mT5 call
    it temperature mixing). No row is taken twice: a source that is asked for more than it has gives all.

    Args:
        params: the study; caps and shares are read.
        available: train rows of each source.
    """
    caps, names = params.mix.caps, params.study.tasks
    sizes = {name: caps.get(name, available[name]) for name in names if name not in SHARED_OUT_TASKS}
    if params.mix.temperature != 1.0 or params.mix.weights:
        sizes = _shared_out_anew(params, {name: min(size, available[name]) for name, size in sizes.items()})
    total = sum(min(size, available[name]) for name, size in sizes.items())
    shares = {"open_orca": params.mix.instruction_share, "orca_math": params.mix.math_share}
    return sizes | {name: round(share * total) for name, share in shares.items() if name in names}


def _shared_out_anew(params: Params, rows: Counts) -> Counts:
    weights, power = params.mix.weights, 1 / params.mix.temperature
    parts = {name: weights.get(name, 1.0) * size**power for name, size in rows.items()}
    whole = sum(parts.values())
    return {name: round(sum(rows.values()) * part / whole) for name, part in parts.items()}


def plan(run: Run, *, sizes: Counts, available: Mapping[str, int], runs: Sequence[Run]) -> Counts:
    """Return the rows that a run asks of each source.

    Args:
        run: the run; ``size`` runs ask filler for what they lack to the rows of the run they match.
        sizes: rows of each source, from :func:`source_sizes`.
        available: train rows of each source.
        runs: all runs of the stage, to find the matched one.

    Raises:
        RunError: the matched run is not in ``runs``.
    """
    asked = {name: sizes[name] for name in run.sources}
    if run.kind != "size":
        return asked
    matched = next((other for other in runs if other.id == run.matches), None)
    if matched is None:
        raise RunError(f"the matched run {run.matches!r} is not there", where=run.id)
    rows = _got(plan(matched, sizes=sizes, available=available, runs=runs), available)
    return asked | {FILLER: max(0, sum(rows.values()) - sum(_got(asked, available).values()))}


def draw(run: Run, *, asked: Counts, items: Mapping[str, Sequence[str]]) -> Mixture:
    """Draw a run's rows: of each source the first of a shuffle, then all of them shuffled, by the run's seed.

    Raises:
        RunError: no source has any row.
    """
    got = _got(asked, {name: len(items[name]) for name in asked})
    rows = np.concatenate(
        [
            np.asarray(items[name], dtype=object)[_order(len(items[name]), run.seed)[:size]]
            for name, size in got.items()
        ]
    )
    if not len(rows):
        raise RunError(
            "the mixture is empty", where=run.id, fix="check data/prepared/report.json and mix.caps"
        )
    mixed = rows[_order(len(rows), run.seed)]
    return Mixture(run=run.id, kind=run.kind, sources=tuple(asked), rows=tuple(mixed), asked=asked, got=got)


def draw_all(runs: Sequence[Run], *, params: Params, prepared: Path) -> dict[str, Mixture]:
    """Draw the mixture of every run that trains, by run id."""
    items = train_items(prepared)
    available = {name: len(rows) for name, rows in items.items()}
    sizes = source_sizes(params, available)
    return {
        run.id: draw(run, asked=plan(run, sizes=sizes, available=available, runs=runs), items=items)
        for run in runs
        if run.sources
    }


def write_mixtures(folder: Path, mixtures: Mapping[str, Mixture]) -> None:
    """Write one JSON file per mixture, and their list in order as ``index.json``."""
    with fresh_folder(folder) as draft:
        for name, mixture in mixtures.items():
            write_json(draft / f"{name}.json", asdict(mixture))
        write_json(draft / "index.json", {"runs": list(mixtures)})
        list_digests(draft)


def read_mixture(folder: Path, run: str) -> Mixture:
    """Read the mixture of one run.

    Raises:
        RecordError: the file is missing or broken.
    """
    fields = read_json(folder / f"{run}.json")
    return Mixture(**fields | {"sources": tuple(fields["sources"]), "rows": tuple(fields["rows"])})


def mixture_rows(mixture: Mixture, prepared: Path) -> pd.DataFrame:
    """Return a mixture's examples in training order."""
    tables = pd.concat([read_split(prepared, name, "train") for name in mixture.sources])
    return tables.set_index("item", drop=False).loc[list(mixture.rows)].reset_index(drop=True)


def _got(asked: Counts, available: Mapping[str, int]) -> Counts:
    return {name: min(size, available[name]) for name, size in asked.items()}


def _order(size: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(size)
