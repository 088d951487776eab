"""Scores of each arm on each task, with intervals, beside what guessing gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from cocktail.analysis.floor import guess_share
from cocktail.analysis.rows import ArmRow, Scores
from cocktail.analysis.scores import ModelScores, confirmed_arms, explored_arms
from cocktail.analysis.stats.crossed import crossed_mean
from cocktail.config import Params
from cocktail.scoring.answers import Evaluation

COLUMNS = ("accuracy_lenient", "macro_f1", "weighted_f1", "knowledge_accuracy")
COUNTS = ("invalid_strict", "invalid_lenient", "empty", "not_stopped")


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
