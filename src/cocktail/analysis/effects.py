"""Confirmed differences per target: each mixture against the single task and its matched controls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from cocktail.analysis.scores import READINGS, ModelScores, confirmed_arms
from cocktail.analysis.stats.crossed import crossed_effect
from cocktail.config import Params

CONTRASTS = {
    "chosen-single": ("chosen", "single"),
    "chosen-steps": ("chosen", "steps_as_chosen"),
    "chosen-size": ("chosen", "size_as_chosen"),
    "all-single": ("all", "single"),
    "all-steps": ("all", "steps_as_all"),
    "all-size": ("all", "size_as_all"),
}


def effect_rows(scores: ModelScores, flags: Mapping[str, str], *, params: Params) -> list[dict[str, Any]]:
    """Return one row per target, reading and contrast: shares, interval, counts, run ids of both arms.

    A contrast has a row where both arms were confirmed (``study.confirm_matched``).

    Args:
        flags: of each target: "floor", "ceiling" or "", by its confirmed single-task runs.
    """
    return [
        {"flag": flags[target]}
        | _row(scores, target, contrast=contrast, reading=reading, confidence=params.compare.confidence)
        for target in scores.targets
        for reading in READINGS
        for contrast, arms in CONTRASTS.items()
        if set(arms) <= set(confirmed_arms(scores, target))
    ]


def _row(
    scores: ModelScores, target: str, *, contrast: str, reading: Any, confidence: float
) -> dict[str, Any]:
    arms = confirmed_arms(scores, target)
    treatment, control = (arms[arm] for arm in CONTRASTS[contrast])
    both = scores.outcomes("confirm", [*treatment, *control], target, reading)
    effect = crossed_effect(
        both.values[: len(treatment)],
        both.values[len(treatment) :],
        both.clusters,
        confidence=confidence,
    )
    numbers = asdict(effect)
    numbers["df"] = min(numbers["df"], 1e9)  # JSON has no infinity; equal outcomes have no variance
    return {
        "model": scores.model,
        "target": target,
        "chosen": scores.selected[target]["chosen"],
        "contrast": contrast,
        "reading": reading,
        "confidence": confidence,
        **numbers,
        "treatment_runs": treatment,
        "control_runs": control,
    }
