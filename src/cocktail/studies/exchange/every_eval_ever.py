"""A record in the schema of Every Eval Ever, 0.3.0: one aggregate and one file of samples a run.

https://github.com/evaleval/every_eval_ever. The layout is that of its data store,
``data/<collection>/<developer>/<model>/<uuid>.json`` with ``<uuid>_samples.jsonl`` beside it. Each run is a
model of its own. Items are ids and codes: the record has no texts, as licences forbid them in git, so
``input.raw`` and ``output.raw`` say where they are. Strict accuracy is what samples belong to; lenient
accuracy and label decoding are aggregates beside it, and stand in each sample's metadata.
"""

from __future__ import annotations

import json
import math
import os
import re
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from cocktail.config import task_names
from cocktail.errors import RecordError, near
from cocktail.files.records import (
    canonical_json,
    digest_file,
    digest_value,
    fresh_file,
    read_json,
    read_table,
)
from cocktail.tasks import load_task

SCHEMA = (
    "0.3.0"  # of every-eval-ever 0.3.0; its schema is no part of this package, tests hold files against it
)
DEVELOPER = "cocktail"
WITHHELD = "not in the record: the licence of the data keeps it out; sample_id names split and row"
READINGS = {"strict": "the whole answer is what was asked for", "lenient": "it can be read in the answer"}
READINGS |= {"knowledge": "the label that the model finds most likely"}
SHOWN = ["model", "run", "task", "item", "cluster", *READINGS]
Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Exported:
    """One run of one record: who answered, and the outcome of every test item."""

    record: str
    manifest: Facts
    model: str
    run: str
    items: pd.DataFrame

    @property
    def model_id(self) -> str:
        return f"{DEVELOPER}/{_slug(f'{self.record}-{self.model}-{self.run}')}"

    @cached_property
    def uuid(self) -> str:
        """A UUID of the outcomes: the same record gives the same files again."""
        codes = self.items[["item", "strict", "lenient"]].astype(str).to_numpy().tolist()
        digest = digest_value([self.record, self.model, self.run, codes])
        return str(uuid.UUID(bytes=bytes.fromhex(digest)[:16], version=4))

    def folder(self) -> str:
        return f"data/{_slug(f'cocktail-{self.record}')}/{self.model_id}"


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
        lines = list(_samples(one, created))
        samples = f"{one.folder()}/{one.uuid}_samples.jsonl"
        with fresh_file(out / samples) as draft:
            draft.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
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
        with fresh_file(path) as draft:
            draft.write_text(canonical_json(facts), encoding="utf-8")
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


def aggregate(one: Exported, created: int) -> dict[str, Any]:
    """Return the aggregate of a run, without the reference to its samples."""
    parts = one.items.groupby("task", sort=False)
    return {
        "schema_version": SCHEMA,
        "evaluation_id": _evaluation_id(one, created),
        "retrieved_timestamp": str(created),
        "source_metadata": {
            "source_name": f"Cocktail, record {one.record}",
            "source_type": "evaluation_run",
            "source_organization_name": "The Cocktail authors",
            "evaluator_relationship": "first_party",
            "additional_details": {"paper_checked": "arXiv:2410.01109", "tier": _tier(one.manifest)},
        },
        "eval_library": {
            "name": "cocktail",
            "version": one.manifest["git"]["commit"],
            "additional_details": {"changed_files": str(len(one.manifest["git"]["changed"]))},
        },
        "model_info": _model_info(one),
        "evaluation_results": [
            result
            for task, rows in parts
            for reading in READINGS
            for result in _result(one, str(task), rows, reading)
        ],
    }


def _tier(manifest: Facts) -> str:
    return str(manifest["params"]["study"].get("tier", "miniature"))  # older records have none


def _evaluation_id(one: Exported, created: int) -> str:
    return f"cocktail-{one.record}/{one.model_id}/{created}"


def _model_info(one: Exported) -> dict[str, Any]:
    params = one.manifest["params"]
    model = params["models"][one.model]
    hosted = model["kind"] == "endpoint"
    details = {
        "deployment_type": "externally_managed" if hosted else "self_deployed",
        "model_availability": "closed_weights" if hosted else "unknown",
        "base_model": str(model.get("repo") or model.get("served") or f"{one.model}, {model['kind']}"),
        "run": one.run,
        "method": "none" if one.run.startswith("base") else str(params["train"]["method"]),
    }
    versions = one.manifest["environment"]["packages"]
    return {
        "name": f"{one.model}, {one.run}",
        "id": one.model_id,
        "developer": DEVELOPER,
        "inference_engine": {"name": "transformers", "version": str(versions.get("transformers", "unknown"))},
        "additional_details": details,
    }


def _result(one: Exported, task: str, rows: pd.DataFrame, reading: str) -> Iterator[dict[str, Any]]:
    """The aggregate of one reading; of label decoding there is none where nothing was decoded."""
    codes = rows[reading][rows[reading].astype(str) != ""]
    if codes.empty:
        return
    share, count = float((codes == "ok").mean()), len(codes)
    tokens = load_task(task).max_new_tokens if task in task_names() else None
    arguments = {"temperature": 0.0, **({"max_tokens": tokens} if tokens else {})}
    yield {
        "evaluation_result_id": f"{one.uuid}/{task}/{reading}",
        "evaluation_name": task,
        "source_data": _source_data(one.manifest, task, count),
        "metric_config": {
            "evaluation_description": f"accuracy on test, read {reading}: {READINGS[reading]}",
            "metric_id": f"cocktail.accuracy_{reading}",
            "metric_name": f"Accuracy ({reading})",
            "metric_kind": "accuracy",
            "metric_unit": "proportion",
            "lower_is_better": False,
            "score_type": "continuous",
            "min_score": 0.0,
            "max_score": 1.0,
        },
        "score_details": {
            "score": share,
            "details": {"invalid": str(int((codes == "invalid").sum()))},
            "uncertainty": {
                "standard_error": {
                    "value": math.sqrt(share * (1 - share) / count),
                    "method": "analytic, items taken as independent",
                },
                "num_samples": count,
            },
        },
        "generation_config": {"generation_args": arguments},
    }


def _source_data(manifest: Facts, task: str, count: int) -> dict[str, Any]:
    source = manifest["params"]["fetch"]["sources"][task]
    details = {"licence": source["licence"], "status": source["status"]}
    if source["status"] not in ("original", "partial") or not source["repo"]:
        return {"dataset_name": task, "source_type": "other", "additional_details": details}
    return {
        "dataset_name": task,
        "source_type": "hf_dataset",
        "hf_repo": source["repo"],
        "hf_split": "test",
        "samples_number": count,
        "additional_details": details,
    }


def _samples(one: Exported, created: int) -> Iterator[str]:
    for row in one.items.to_dict("records"):
        yield json.dumps(_sample(one, row, created), sort_keys=True, ensure_ascii=False)


def _sample(one: Exported, row: Mapping[Any, Any], created: int) -> dict[str, Any]:
    right = row["strict"] == "ok"
    codes = {name: str(row[name]) for name in ("lenient", "knowledge", "cluster") if row.get(name)}
    return {
        "schema_version": SCHEMA,
        "evaluation_id": _evaluation_id(one, created),
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


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text)
