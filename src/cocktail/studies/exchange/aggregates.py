"""What Every Eval Ever is told of one run: model, sources, and accuracy by task and reading."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from cocktail.config import task_names
from cocktail.files.records import digest_value
from cocktail.tasks import load_task

# Of every-eval-ever 0.3.0; its schema is no part of this package, tests hold files against it.
SCHEMA = "0.3.0"
DEVELOPER = "cocktail"
READINGS = {
    "strict": "the whole answer is what was asked for",
    "lenient": "it can be read in the answer",
    "knowledge": "the label that the model finds most likely",
}
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

    def evaluation_id(self, created: int) -> str:
        return f"cocktail-{self.record}/{self.model_id}/{created}"


def aggregate(one: Exported, created: int) -> dict[str, Any]:
    """Return the aggregate of a run, without the reference to its samples."""
    parts = one.items.groupby("task", sort=False)
    tier = one.manifest["params"]["study"]["tier"]
    return {
        "schema_version": SCHEMA,
        "evaluation_id": one.evaluation_id(created),
        "retrieved_timestamp": str(created),
        "source_metadata": {
            "source_name": f"Cocktail, record {one.record}",
            "source_type": "evaluation_run",
            "source_organization_name": "The Cocktail authors",
            "evaluator_relationship": "first_party",
            "additional_details": {"paper_checked": "arXiv:2410.01109", "tier": str(tier)},
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


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text)
