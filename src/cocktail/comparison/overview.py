"""Scores of each arm on each task, with intervals, beside what guessing gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cocktail.comparison.scores import ModelScores, confirmed_arms, explored_arms
from cocktail.config import Params
from cocktail.scoring.answers import Evaluation
from cocktail.stats.crossed import crossed_mean

Row = dict[str, Any]
COLUMNS = ("accuracy_strict", "accuracy_lenient", "macro_f1", "weighted_f1", "knowledge_accuracy")


def guess_share(evaluation: Evaluation) -> float:
    """Return the strict accuracy of the better blind guess on test: the commonest answer, or chance."""
    gold = evaluation.gold[evaluation.gold["split"] == "test"]["gold"]
    commonest = float(gold.value_counts(normalize=True).max())
    return max(commonest, 1 / len(evaluation.labels)) if evaluation.labels else commonest


def beats_guess(
    outcomes: NDArray[np.float64], clusters: NDArray[np.str_], *, guess: float, confidence: float
) -> list[bool]:
    """Return of each run whether it is better than a blind guess; outcomes of shape (runs, items).

    It is where the interval of its score, these weights on items like these, lies above the guess: at chance
    a score scatters around it, and is as often above as below.
    """
    return [crossed_mean(run[None], clusters, confidence=confidence).low > guess for run in outcomes]


def arm_rows(scores: ModelScores, evaluations: Mapping[str, Evaluation], *, params: Params) -> list[Row]:
    """Return one row per task, stage and arm: mean scores over the arm's runs, and the runs.

    ``flag`` says "floor" where the single task is no better than guessing and "ceiling" where it is perfect:
    there a mixture's help cannot be seen.
    """
    rows = []
    for task in params.study.evaluations:
        explored = {arm: [run] for arm, run in explored_arms(scores, task).items()}
        stages = [("explore", explored)]
        if task in params.study.targets and scores.confirmed:
            stages.append(("confirm", confirmed_arms(scores, task)))
        guess = guess_share(evaluations[task])
        for stage, arms in stages:
            flag = _flag(scores, stage, arms.get("single", []), task, guess=guess)
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


def _flag(scores: ModelScores, stage: str, single: list[str], task: str, *, guess: float) -> str:
    values = [scores.value(stage, run, task) or 0.0 for run in single]
    if not values:
        return ""
    mean = sum(values) / len(values)
    return "floor" if mean <= guess else "ceiling" if mean >= 1 else ""


def _number(value: float) -> float | None:
    return None if pd.isna(value) else float(value)
