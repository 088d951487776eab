"""Arms, effects and numbers for stage ``analyze``: one pass over the scores of a study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cocktail.analysis.advised import advice_curve_rows, advice_rows
from cocktail.analysis.agreement import agreement_rows
from cocktail.analysis.effects import effect_rows
from cocktail.analysis.explored import budget_rows, curse_rows, leave_one_out_rows, transfer_rows
from cocktail.analysis.numbers import numbers_of
from cocktail.analysis.overview import arm_rows
from cocktail.analysis.rows import Comparison
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
    models = read_scores(scores, selected, params=params)
    arms = [row for model in models for row in arm_rows(model, evaluations, params=params)]
    tables = Comparison(
        study=params.study.name,
        arms=arms,
        transfer=[row for model in models for row in transfer_rows(model, params=params)],
        leave_one_out=[row for model in models for row in leave_one_out_rows(model, params=params)],
        curse=[row for model in models for row in curse_rows(model, params=params)],
        budget=[row for model in models for row in budget_rows(model, params=params)],
        advice=[row for model in models for row in advice_rows(model, evaluations, params=params)],
        advice_curve=[
            row for model in models for row in advice_curve_rows(model, evaluations, params=params)
        ],
        label_agreement=[row for model in models for row in agreement_rows(model, params=params)],
    )
    effects = [row for model in models for row in effect_rows(model, params=params)]
    numbers = numbers_of(models, arms, effects, tables["label_agreement"])
    write_json(out / "comparison.json", tables)
    write_json(out / "effects.json", {"study": params.study.name, "rows": effects})
    write_json(out / "numbers.json", numbers)
    return numbers
