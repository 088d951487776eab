"""Scores of each arm on each task, with intervals, beside what guessing gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from cocktail.analysis.floor import guess_share
from cocktail.analysis.scores import ModelScores, confirmed_arms, explored_arms
from cocktail.analysis.stats.crossed import crossed_mean
from cocktail.config import Params
from cocktail.scoring.answers import Evaluation

Row = dict[str, Any]
COLUMNS = ("accuracy_strict", "accuracy_lenient", "macro_f1", "weighted_f1", "knowledge_accuracy")


def arm_rows(scores: ModelScores, evaluations: Mapping[str, Evaluation], *, params: Params) -> list[Row]:
    """Return one row per task, stage and arm: mean scores over the arm's runs, and the runs.

    ``flag`` says "floor" where nothing that was explored is better than guessing
    (:mod:`cocktail.analysis.floor`) and "ceiling" where the single task is perfect: there a mixture's help
    cannot be seen.
    """
    rows = []
    for task in params.study.evaluations:
        explored = {arm: [run] for arm, run in explored_arms(scores, task).items()}
        stages = [("explore", explored)]
        if task in scores.targets:
            stages.append(("confirm", confirmed_arms(scores, task)))
        guess = guess_share(evaluations[task])
        for stage, arms in stages:
            flag = _flag(scores, stage, arms.get("single", []), task)
            rows += [
                {
                    "model": scores.model,
                    "task": task,
                    "stage": stage,
                    "arm": arm,
                    "guess": guess,
                    "flag": flag,
                }
                | _scores(scores, stage, runs, task, confidence=params.compare.confidence)
                for arm, runs in arms.items()
            ]
    return rows


def _scores(scores: ModelScores, stage: str, runs: list[str], task: str, *, confidence: float) -> Row:
    mine = scores.summary.loc[[(stage, run, task) for run in runs]]
    outcomes = scores.outcomes(stage, runs, task, "strict")
    interval = crossed_mean(outcomes.values, outcomes.clusters, confidence=confidence)
    means = {name: _number(mine[name].mean()) for name in COLUMNS}
    invalid = {
        f"{name}_share": float((mine[name] / mine["n"]).mean())
        for name in ("invalid_strict", "invalid_lenient")
    }
    return {
        **means,
        **invalid,
        "empty_share": float((mine["empty"] / mine["n"]).mean()),
        "limit_share": float((mine["not_stopped"] / mine["n"]).mean()),
        "low": interval.low,
        "high": interval.high,
        "scope": interval.scope,
        "n_items": interval.n_items,
        "n_clusters": interval.n_clusters,
        "n_seeds": len(runs),
        "seed_sd": _number(mine["accuracy_strict"].std()),
        "runs": runs,
    }


def _flag(scores: ModelScores, stage: str, single: list[str], task: str) -> str:
    if scores.at_floor(task):
        return "floor"
    values = [scores.value(stage, run, task) or 0.0 for run in single]
    return "ceiling" if values and min(values) >= 1 else ""


def _number(value: float) -> float | None:
    return None if pd.isna(value) else float(value)
