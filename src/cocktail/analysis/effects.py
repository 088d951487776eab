"""Confirmed differences per target: each mixture against the single task and its matched controls."""

from __future__ import annotations

from cocktail.analysis.overview import flag_of
from cocktail.analysis.rows import EffectRow
from cocktail.analysis.scores import READINGS, ModelScores, Reading, confirmed_arms
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


def effect_rows(scores: ModelScores, *, params: Params) -> list[EffectRow]:
    """Return one row per target, reading and contrast: shares, interval, counts, run ids of both arms.

    A contrast has a row where both arms were confirmed (``study.confirm_matched``).
    """
    return [
        _row(scores, target, contrast=contrast, reading=reading, params=params)
        for target in scores.targets
        for reading in READINGS
        for contrast, arms in CONTRASTS.items()
        if set(arms) <= set(confirmed_arms(scores, target))
    ]


def _row(scores: ModelScores, target: str, *, contrast: str, reading: Reading, params: Params) -> EffectRow:
    arms, confidence = confirmed_arms(scores, target), params.compare.confidence
    treatment, control = (arms[arm] for arm in CONTRASTS[contrast])
    both, num = scores.outcomes("confirm", [*treatment, *control], target, reading), len(treatment)
    effect = crossed_effect(both.values[:num], both.values[num:], both.clusters, confidence=confidence)
    return EffectRow(
        flag=flag_of(scores, "confirm", arms["single"], target),
        model=scores.model,
        target=target,
        chosen=scores.selected[target]["chosen"],
        contrast=contrast,
        reading=reading,
        confidence=confidence,
        estimate=effect.estimate,
        low=effect.low,
        high=effect.high,
        se=effect.se,
        df=min(effect.df, 1e9),  # JSON has no infinity; equal outcomes have no variance
        p=effect.p,
        n_items=effect.n_items,
        n_clusters=effect.n_clusters,
        n_seeds=effect.n_seeds,
        scope=effect.scope,
        seed_share=effect.seed_share,
        treatment_runs=treatment,
        control_runs=control,
    )
