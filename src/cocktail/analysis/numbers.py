"""reports/numbers.json: accuracies and effects by model, which records are compared by.

Everything is in points (0 to 100) except counts. ``confirmed`` holds means over the fresh seeds, for the
targets; ``explored`` the grid's one seed, for the other finance tasks. The untuned base has no seed and is in
both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cocktail.analysis.agreement import SUM
from cocktail.analysis.rows import AgreementRow, ArmRow, EffectRow, points
from cocktail.analysis.scores import ModelScores
from cocktail.config import general_tasks

NAMES = {"steps_as_chosen": "steps_matched", "size_as_chosen": "size_matched"}
CONFIRMED = ("single", "chosen", "all", *NAMES)


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
