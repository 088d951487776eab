"""reports/metrics.json: what ``dvc exp show`` and ``dvc metrics diff`` show, at most 15 numbers a model.

By model: ``accuracy`` of single, chosen mixture and all, the mean over confirmed targets (strict, points);
``effect`` of each primary claim that was tested (points); ``verdicts``, headline rows by verdict. All numbers
stand in reports/numbers.json. Nested dicts of numbers only: DVC drops lists and nulls without a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from cocktail.claims.rows import Verdicts
from cocktail.claims.verdict import Verdict

ARMS = ("single", "chosen", "all")
TOLD: tuple[Verdict, ...] = ("supported", "contradicted", "not tested")  # any other verdict is undecided


def headline_metrics(numbers: Mapping[str, Any], claims: Verdicts) -> dict[str, Any]:
    """Return the nested numbers by model.

    Args:
        numbers: the content of numbers.json.
        claims: the content of claims.json.
    """
    return {
        model: {name: group for name, group in _of_model(model, mine, claims).items() if group}
        for model, mine in numbers.items()
    }


def _of_model(model: str, numbers: Mapping[str, Any], claims: Verdicts) -> dict[str, Any]:
    confirmed = numbers.get("confirmed", {}).values()
    # About this model alone, not about a larger one beside it.
    heads = {claim.id: row for claim, row in claims.headlines() if row.model == row.control_model == model}
    verdicts = [row.verdict for row in heads.values()]
    counts = {name.replace(" ", "_"): verdicts.count(name) for name in TOLD}
    return {
        "accuracy": {
            arm: round(fmean(task[arm] for task in confirmed), 2)
            for arm in ARMS
            if confirmed and all(arm in task for task in confirmed)
        },
        "effect": {
            claim: round(row.effect, 2)
            for claim, row in heads.items()
            if row.primary and row.effect is not None
        },
        "verdicts": {**counts, "undecided": len(verdicts) - sum(counts.values())} if verdicts else {},
    }
