"""A record in the schema of Every Eval Ever, 0.3.0: one aggregate and one file of samples a run.

https://github.com/evaleval/every_eval_ever. The layout is that of its data store,
``data/<collection>/<developer>/<model>/<uuid>.json`` with ``<uuid>_samples.jsonl`` beside it. Each run is a
model of its own. Items are ids and codes: the record has no texts, as licences forbid them in git, so
``input.raw`` and ``output.raw`` say where they are. Strict accuracy is what samples belong to; lenient
accuracy and label decoding are aggregates beside it, and stand in each sample's metadata.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from cocktail.errors import RecordError, near
from cocktail.files.records import digest_file, read_json, read_table, write_json, write_text
from cocktail.studies.exchange.aggregates import READINGS, SCHEMA, Exported, aggregate

WITHHELD = "not in the record: the licence of the data keeps it out; sample_id names split and row"
SHOWN = ["model", "run", "task", "item", "cluster", *READINGS]


def export_every_eval_ever(record: Path, out: Path, *, runs: Sequence[str] = ()) -> list[Path]:
    """Write the aggregates and samples of a record's runs below ``out``; return their paths.

    Args:
        runs: ids of runs; all where none is named.

    Raises:
        RecordError: there is no record, or it has no such run.
        DataError: its items cannot be read.
    """
    paths = []
    created = int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
    for one in _runs(record, runs):
        found = (_sample(one, row, created) for row in one.items.to_dict("records"))
        lines = [json.dumps(sample, sort_keys=True, ensure_ascii=False) for sample in found]
        samples = f"{one.folder()}/{one.uuid}_samples.jsonl"
        write_text(out / samples, "".join(f"{line}\n" for line in lines))
        facts = aggregate(one, created) | {
            "detailed_evaluation_results": {
                "format": "jsonl",
                "file_path": samples,
                "hash_algorithm": "sha256",
                "checksum": digest_file(out / samples),
                "total_rows": len(lines),
            }
        }
        path = out / one.folder() / f"{one.uuid}.json"
        write_json(path, facts)
        paths += [path, out / samples]
    return paths


def _runs(record: Path, wanted: Sequence[str]) -> Iterator[Exported]:
    if not (record / "manifest.json").is_file():
        known = [path.parent.name for path in record.parent.glob("*/manifest.json")]
        raise RecordError(f"no record {record.name!r}{near(record.name, known)}", where=str(record.parent))
    manifest = read_json(record / "manifest.json")
    items = read_table(record / "items.parquet")
    found = set(items["run"].cat.categories)
    if unknown := sorted({*wanted} - found):
        raise RecordError(f"the record has no run {unknown[0]!r}{near(unknown[0], found)}", where=str(record))
    chosen = items[items["run"].isin(wanted)] if wanted else items
    plain = pd.DataFrame({name: chosen[name].tolist() for name in SHOWN})
    for (model, run), rows in plain.groupby(["model", "run"], sort=False):
        yield Exported(record.name, manifest, str(model), str(run), rows)


def _sample(one: Exported, row: Mapping[Any, Any], created: int) -> dict[str, Any]:
    right = row["strict"] == "ok"
    codes = {name: str(row[name]) for name in ("lenient", "knowledge", "cluster") if row.get(name)}
    return {
        "schema_version": SCHEMA,
        "evaluation_id": one.evaluation_id(created),
        "model_id": one.model_id,
        "evaluation_name": row["task"],
        "evaluation_result_id": f"{one.uuid}/{row['task']}/strict",
        "sample_id": row["item"],
        "interaction_type": "single_turn",
        "input": {"raw": WITHHELD, "reference": []},
        "output": {"raw": [WITHHELD]},
        "answer_attribution": [
            {
                "turn_idx": 0,
                "source": "output.raw",
                "extracted_value": row["strict"],
                "extraction_method": "cocktail, strict reading: its code",
                "is_terminal": True,
            }
        ],
        "evaluation": {"score": float(right), "is_correct": right},
        "metadata": codes,
    }
