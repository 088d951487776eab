"""Arms, effects and numbers for stage ``analyze``: one pass over the scores of a study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cocktail.analysis.advised import advice_curve_rows, advice_rows
from cocktail.analysis.agreement import agreement_rows
from cocktail.analysis.budget import budget_rows
from cocktail.analysis.effects import effect_rows
from cocktail.analysis.explored import curse_rows, leave_one_out_rows, transfer_rows
from cocktail.analysis.metrics import metrics
from cocktail.analysis.overview import arm_rows
from cocktail.analysis.rows import Comparison, EffectRow
from cocktail.analysis.scores import read_scores
from cocktail.config import Params
from cocktail.files.records import write_json
from cocktail.scoring.answers import read_evaluations


def compare_study(
    prepared: Path, scores: Path, selected: Path, out: Path, *, params: Params
) -> dict[str, Any]:
    """Write numbers.json, effects.json and comparison.json below ``out``; return the numbers.

    ``comparison.json`` holds flat tables (lists of rows) for the report: :mod:`cocktail.analysis.rows`.

    Raises:
        RecordError: scores are missing or are not those of the study in params.
    """
    evaluations = read_evaluations(prepared)
    tables = Comparison(
        study=params.study.name,
        arms=[],
        transfer=[],
        leave_one_out=[],
        curse=[],
        budget=[],
        advice=[],
        advice_curve=[],
        label_agreement=[],
    )
    effects: list[EffectRow] = []
    models = read_scores(scores, selected, params=params)
    for model in models:
        arms = arm_rows(model, evaluations, params=params)
        tables["arms"] += arms
        tables["transfer"] += transfer_rows(model, params=params)
        tables["leave_one_out"] += leave_one_out_rows(model, params=params)
        tables["curse"] += curse_rows(model, params=params)
        tables["budget"] += budget_rows(model, params=params)
        tables["advice"] += advice_rows(model, evaluations, params=params)
        tables["advice_curve"] += advice_curve_rows(model, evaluations, params=params)
        tables["label_agreement"] += agreement_rows(model, params=params)
        flags = {row["task"]: row["flag"] for row in arms if row["stage"] == "confirm"}
        effects += effect_rows(model, flags, params=params)
    numbers = metrics(models, tables["arms"], effects, tables["label_agreement"])
    write_json(out / "comparison.json", tables)
    write_json(out / "effects.json", {"study": params.study.name, "rows": effects})
    write_json(out / "numbers.json", numbers)
    return numbers
