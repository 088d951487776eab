"""What stage ``analyze`` writes of scores: arms, effects and numbers, in one pass over those of a study.

numbers.json has accuracies and effects by model, which records are compared by. Everything in it is in points
(0 to 100) except counts. ``confirmed`` holds means over the fresh seeds, for the targets; ``explored`` the
grid's one seed, for the other finance tasks. The untuned base has no seed and is in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cocktail.analysis.advised import advice_curve_rows, advice_rows
from cocktail.analysis.agreement import SUM, agreement_rows
from cocktail.analysis.arms import arm_rows, effect_rows
from cocktail.analysis.explored import budget_rows, curse_rows, leave_one_out_rows, transfer_rows
from cocktail.analysis.rows import AgreementRow, ArmRow, Comparison, EffectRow, points
from cocktail.analysis.scores import ModelScores, read_scores
from cocktail.config import Params, general_tasks
from cocktail.files.records import write_json
from cocktail.scoring.answers import read_evaluations

NAMES = {"steps_as_chosen": "steps_matched", "size_as_chosen": "size_matched"}
CONFIRMED = ("single", "chosen", "all", *NAMES)


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


def numbers_of(
    models: Sequence[ModelScores],
    arms: Sequence[ArmRow],
    effects: Sequence[EffectRow],
    agreement: Sequence[AgreementRow],
) -> dict[str, Any]:
    """Return the nested numbers, by model."""
    return {
        scores.model: _of_model(
            scores,
            [row for row in arms if row["model"] == scores.model],
            [row for row in effects if row["model"] == scores.model and row["reading"] == "strict"],
        )
        | _label_agreement([row for row in agreement if row["model"] == scores.model])
        for scores in models
    }


def _of_model(scores: ModelScores, arms: Sequence[ArmRow], effects: Sequence[EffectRow]) -> dict[str, Any]:
    result: dict[str, Any] = {"confirmed": {}, "explored": {}, "general": {}, "effect": {}}
    confirmed = {row["task"] for row in arms if row["stage"] == "confirm"}
    for row in arms:
        group = _group(row, confirmed=row["task"] in confirmed)
        if group:
            arm = NAMES.get(row["arm"], row["arm"])
            result[group].setdefault(row["task"], {})[arm] = points(row["accuracy_strict"], digits=2)
    for effect in effects:
        mine = result["effect"].setdefault(effect["target"], {})
        mine[effect["contrast"]] = points(effect["estimate"], digits=2)
    result["invalid_share"] = {
        arm: points(sum(shares) / len(shares), digits=2)
        for arm in ("base", "all")
        if (shares := [r["invalid_strict_share"] for r in arms if (r["stage"], r["arm"]) == ("explore", arm)])
    }
    flagged = {flag: {row["task"] for row in arms if row["flag"] == flag} for flag in ("floor", "ceiling")}
    result["count"] = {
        "runs_explored": len(scores.explored),
        "runs_confirmed": len(scores.confirmed),
        "test_items": len(scores.items["item"].unique()),
        **{f"tasks_at_{flag}": len(tasks) for flag, tasks in flagged.items()},
    }
    return {group: numbers for group, numbers in result.items() if numbers}


def _label_agreement(rows: Sequence[AgreementRow]) -> dict[str, Any]:
    """The share of the sum row; nothing where no free answer can be held against label decoding."""
    shares = [row["share"] for row in rows if row["task"] == SUM and row["share"] is not None]
    return {"label_agreement": {"share": round(shares[0], 2)}} if shares else {}


def _group(row: ArmRow, *, confirmed: bool) -> str:
    """Where a row's accuracy is shown; empty: nowhere."""
    if row["task"] in general_tasks():
        return "general" if row["arm"] in ("base", "all") else ""
    if not confirmed:
        return "explored"
    is_confirmed_arm = row["stage"] == "confirm" and row["arm"] in CONFIRMED
    return "confirmed" if row["arm"] == "base" or is_confirmed_arm else ""
