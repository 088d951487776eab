"""Keep a finished study beside the pipeline's outputs, and compare a fresh one with it.

``reports/studies/<record>/`` is no DVC output: a variant in the work tree does not touch it. A study has one
record per method of fine-tuning.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cocktail.config import Params, record_name
from cocktail.config.compose import differences as param_differences
from cocktail.errors import RecordError
from cocktail.files.records import digest_value, fresh_folder, read_json, read_table, write_json, write_table
from cocktail.runs.kept import KeptRuns, join_kept, runs_folder
from cocktail.runs.lock import lock_path
from cocktail.studies.exchange.crate import write_crate
from cocktail.studies.keep import keep_runs, needs_keeping
from cocktail.studies.manifest import (
    LOCK,
    checked_receipts,
    made_on,
    make_manifest,
    packages,
    pinned_names,
    public_versions,
)
from cocktail.studies.verdict_changes import CLAIMS_COPY, LOCK_COPY, hold_verdicts

FILES = ("claims.json", "metrics.json", "numbers.json", "effects.json", "comparison.json")
FOLDERS = ("tables", "figures")
ANSWERS = "artifacts/answers"
CLAIMS = "data/reference/claims.yaml"

# Another CPU rounds otherwise, and pretraining makes another base of it: with AVX2 in place of AVX-512 on
# one host (study tiny, same data and seed) the base gave the same answer to 20 % of the items, and seven
# runs moved by up to 12.5 points on tasks they were trained on. Twice that is allowed: it tells a broken
# pipeline from another CPU, no more. Finer statements are compared on the CPU type of the record, exactly.
TOLERANCE_POINTS = 25.0
EXACT = ("runs_explored", "runs_confirmed", "test_items")  # counts that do not hang on rounding


def record(reports: Path, params: Params) -> Path:
    """Copy the study's results and its manifest to their folder below ``reports/studies``; return it.

    Item-level outcomes hold ids and codes, no text: the data's licences stay out of git. Of a study on real
    data the runs are kept as well (:mod:`cocktail.studies.keep`). Claims are copied, and the study's lock if
    there is one: what the verdicts are about. The folder is an RO-Crate.

    Raises:
        RecordError: results are missing, or are those of another study or method than params names.
    """
    root = reports.resolve().parent
    study: str = read_json(reports / "comparison.json")["study"]
    if study != params.study.name:
        raise RecordError(f"reports are of study {study!r}, params of {params.study.name!r}", fix="dvc repro")
    kept = runs_folder(reports / "studies", params)
    manifest = make_manifest(root, params, runtimes=dict(KeptRuns(kept).runtimes()))
    items = read_table(root / "artifacts/scores/items.parquet")
    target = reports / "studies" / record_name(params)
    with fresh_folder(target) as folder:
        for name in FOLDERS:
            shutil.copytree(reports / name, folder / name)
        for name in FILES:
            shutil.copyfile(reports / name, folder / name)
        shutil.copyfile(root / CLAIMS, folder / CLAIMS_COPY)
        if (lock := lock_path(reports / "locks", params)).is_file():
            shutil.copyfile(lock, folder / LOCK_COPY)
        tested = items[items["split"] == "test"].drop(columns="split")
        # Dictionary columns, so that a hundred thousand outcomes fit into a review.
        write_table(folder / "items.parquet", tested.astype("category"))
        write_json(folder / "manifest.json", manifest)
        if kept.is_dir():
            shutil.copytree(kept, folder / kept.name)
        if needs_keeping(params):
            keep_runs(root, params, kept=folder / kept.name)
            join_kept(folder / kept.name)
        write_crate(folder)
    return target


def verify(reports: Path, params: Params) -> str:
    """Compare fresh numbers with the record of this study and method; return what was found, in a sentence.

    Where all runs were made on the CPU type of the record, or are its very runs (kept in git), with its
    libraries, every number and verdict must be equal; elsewhere numbers lie within ``TOLERANCE_POINTS``, and
    no verdict goes from supported to contradicted or back. Verdicts are those of the record's copy of
    claims.yaml (:mod:`cocktail.studies.verdict_changes`). A study that was never recorded, or whose params
    changed, has nothing to be compared with; the sentence says so.

    Raises:
        RecordError: numbers differ; lists which.
    """
    name = record_name(params)
    recorded = reports / "studies" / name
    if not (recorded / "manifest.json").is_file():  # runs may be kept of a study that is not finished
        return f"study {name} was never recorded: nothing to compare with (make record keeps it)"
    manifest = read_json(recorded / "manifest.json")
    changed = list(param_differences(params.model_dump(), manifest["params"]))
    if changed:
        return f"a variant of study {name}, so not compared with its record: {'; '.join(changed)}"
    root = reports.resolve().parent
    exact = _same_machine(root, params, manifest)
    rule = "exactly" if exact else f"within {TOLERANCE_POINTS:g} points (another CPU type or library)"
    found = differences(
        read_json(reports / "numbers.json"),
        read_json(recorded / "numbers.json"),
        tolerance=0.0 if exact else TOLERANCE_POINTS,
    )
    if exact and read_json(reports / "effects.json") != read_json(recorded / "effects.json"):
        found.append("effects.json differs")
    turned, notes = hold_verdicts(reports, recorded, root / CLAIMS, exact=exact)
    found += turned
    if found:
        raise RecordError(
            f"{len(found)} numbers or verdicts are not {rule} those of the record:\n"
            + "\n".join(f"  - {one}" for one in found),
            where=str(recorded),
            fix="find the reason, or, if the new numbers are meant, make record",
        )
    return "; ".join([f"study {name}: all numbers are {rule} those of the record", *notes])


def differences(fresh: Mapping[str, Any], recorded: Mapping[str, Any], *, tolerance: float) -> list[str]:
    """Return one line per number that is missing, new, or off by more than ``tolerance``."""
    mine, theirs = dict(_leaves(fresh)), dict(_leaves(recorded))
    lines = [f"{key}: not in the record" for key in sorted(mine.keys() - theirs.keys())]
    lines += [f"{key}: not in the fresh numbers" for key in sorted(theirs.keys() - mine.keys())]
    for key in sorted(mine.keys() & theirs.keys()):
        allowed = 0.0 if key.split(".")[-1] in EXACT else tolerance
        if abs(mine[key] - theirs[key]) > allowed:
            lines.append(f"{key}: recorded {theirs[key]:g}, fresh {mine[key]:g}")
    return lines


def _leaves(numbers: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for key, value in numbers.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", float(value)


def _same_machine(root: Path, params: Params, manifest: Mapping[str, Any]) -> bool:
    """Whether the runs are the record's, or all of both made on one type of CPU or GPU; with its libraries.

    A run that was kept has the receipt that it was recorded with. Versions of libraries decide, not the
    lock's bytes: digests in it, or one more tool for tests, change no number.
    """
    receipts = checked_receipts(root / ANSWERS, params)
    mine, theirs = made_on(receipts), manifest.get("made_on", {})
    one = len(mine) == 1 and mine.keys() == theirs.keys()
    same = digest_value(receipts) == manifest["digests"].get("receipts")
    pinned = pinned_names(root / LOCK)
    then, now = (public_versions(each, pinned) for each in (manifest["environment"]["packages"], packages()))
    return (one or same) and then.items() <= now.items()
