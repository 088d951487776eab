"""Arms on tasks: scores with intervals, beside what guessing gives, and confirmed differences between arms.

A mixture is held against the single task and against its matched controls, target by target.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from cocktail.analysis.floor import guess_share
from cocktail.analysis.rows import ArmRow, EffectRow, Scores
from cocktail.analysis.scores import READINGS, ModelScores, Reading, confirmed_arms, explored_arms
from cocktail.analysis.stats.crossed import crossed_effect, crossed_mean
from cocktail.config import Params
from cocktail.scoring.answers import Evaluation

COLUMNS = ("accuracy_lenient", "macro_f1", "weighted_f1", "knowledge_accuracy")
COUNTS = ("invalid_strict", "invalid_lenient", "empty", "not_stopped")
CONTRASTS = {
    "chosen-single": ("chosen", "single"),
    "chosen-steps": ("chosen", "steps_as_chosen"),
    "chosen-size": ("chosen", "size_as_chosen"),
    "all-single": ("all", "single"),
    "all-steps": ("all", "steps_as_all"),
    "all-size": ("all", "size_as_all"),
}


def arm_rows(scores: ModelScores, evaluations: Mapping[str, Evaluation], *, params: Params) -> list[ArmRow]:
    """Return one row per task, stage and arm: mean scores over the arm's runs, and the runs.

    ``flag`` is that of :func:`flag_of`.
    """
    rows: list[ArmRow] = []
    for task in params.study.evaluations:
        explored = {arm: [run] for arm, run in explored_arms(scores, task).items()}
        stages = [("explore", explored)]
        if task in scores.targets:
            stages.append(("confirm", confirmed_arms(scores, task)))
        guess = guess_share(evaluations[task])
        for stage, arms in stages:
            flag = flag_of(scores, stage, arms.get("single", []), task)
            rows += [
                ArmRow(
                    model=scores.model,
                    task=task,
                    stage=stage,
                    arm=arm,
                    mixture=str(scores.summary["mixture"][stage, runs[0], task]),
                    guess=guess,
                    flag=flag,
                    **_scores(scores, stage, runs, task, confidence=params.compare.confidence),
                )
                for arm, runs in arms.items()
            ]
    return rows


def _scores(scores: ModelScores, stage: str, runs: list[str], task: str, *, confidence: float) -> Scores:
    mine = scores.summary.loc[[(stage, run, task) for run in runs]]
    outcomes = scores.outcomes(stage, runs, task, "strict")
    interval = crossed_mean(outcomes.values, outcomes.clusters, confidence=confidence)
    shares = {name: float((mine[name] / mine["n"]).mean()) for name in COUNTS}
    means = {name: _number(mine[name].mean()) for name in COLUMNS}
    return Scores(
        accuracy_strict=float(mine["accuracy_strict"].mean()),
        accuracy_lenient=means["accuracy_lenient"],
        macro_f1=means["macro_f1"],
        weighted_f1=means["weighted_f1"],
        knowledge_accuracy=means["knowledge_accuracy"],
        invalid_strict_share=shares["invalid_strict"],
        invalid_lenient_share=shares["invalid_lenient"],
        empty_share=shares["empty"],
        limit_share=shares["not_stopped"],
        low=interval.low,
        high=interval.high,
        scope=interval.scope,
        n_items=interval.n_items,
        n_clusters=interval.n_clusters,
        n_seeds=len(runs),
        seed_sd=_number(mine["accuracy_strict"].std()),
        runs=runs,
    )


def flag_of(scores: ModelScores, stage: str, single: Sequence[str], task: str) -> str:
    """Return where a mixture's help on a task cannot be seen, by the ``single`` runs of a stage; else "".

    "floor": nothing that was explored is better than guessing (:mod:`cocktail.analysis.floor`); "ceiling":
    the single task is perfect.
    """
    if scores.at_floor(task):
        return "floor"
    values = [scores.value(stage, run, task) or 0.0 for run in single]
    return "ceiling" if values and min(values) >= 1 else ""


def _number(value: float) -> float | None:
    return None if pd.isna(value) else float(value)


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
