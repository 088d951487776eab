"""Mixtures against tuned singles at equal tries: each arm's best of k, picked on dev and counted on test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cocktail.claims.arms import Answers
from cocktail.claims.draft import MACRO, Draft, joined_reasons
from cocktail.claims.schema import BestOfTest, Claim
from cocktail.comparison.scores import READINGS, ModelScores, Reading
from cocktail.config import Params
from cocktail.stats.best_of import Tries, best_of_macro
from cocktail.stats.crossed import MIN_SEEDS


@dataclass(frozen=True)
class Case:
    """One task: the runs that are tries of either arm, and why they are not compared, if so."""

    task: str
    mixtures: tuple[str, ...] = ()
    singles: tuple[str, ...] = ()
    blocked: str = ""


def best_of_drafts(claim: Claim, test: BestOfTest, scores: ModelScores, answers: Answers) -> list[Draft]:
    """Return the macro rows (strict is the headline), then the rows of each task.

    The tries of the single task are the paper's own recipe and ``study.tries`` tuned ones; k is the number of
    tuned ones, so that one more try than k tells how the best of k varies.
    """
    heads, others = [], []
    for reading in READINGS:
        cases = [_case(scores, task, answers, reading) for task in test.tasks]
        primary = claim.family == "primary" and reading == "strict"
        heads.append(_draft(scores, cases, answers, reading, scope=MACRO, primary=primary))
        others += [_draft(scores, [case], answers, reading, scope=case.task) for case in cases]
    return [draft for draft in (*heads, *others) if draft.effect or draft.reading == "strict"]


def _case(scores: ModelScores, task: str, answers: Answers, reading: Reading) -> Case:
    params = answers.params
    if task not in params.study.evaluations:
        return Case(task, blocked=f"needs {task} in study.evaluations")
    known = {run.id: run for run in scores.explored}
    singles = [run.id for run in known.values() if run.kind in ("single", "tuned") and run.sources == (task,)]
    mixtures = [run for run in scores.selected.get(task, {}).get("candidates", {}) if run in known]
    if problem := _lacking(task, singles, mixtures, params):
        return Case(task, blocked=problem)
    outcomes = answers.outcomes(scores, "explore", [*mixtures, *singles], task=task, reading=reading)
    if len(set(outcomes.clusters)) < 2:
        return Case(task, blocked="needs items of two clusters")
    extreme = answers.extreme(outcomes.values, task=task, clusters=outcomes.clusters)
    return Case(task, tuple(mixtures), tuple(singles), extreme)


def _lacking(task: str, singles: Sequence[str], mixtures: Sequence[str], params: Params) -> str:
    if task not in params.study.targets:
        return f"needs {task} in study.targets"
    needed = max(MIN_SEEDS, params.study.tries + 1)
    if params.study.tries == 0 or len(singles) < needed:
        return "needs tuned singles (study.tries of 2 or more, tuned in study.include)"
    return "" if len(mixtures) >= needed else f"needs {needed} explored mixtures"


def _draft(
    scores: ModelScores,
    cases: Sequence[Case],
    answers: Answers,
    reading: Reading,
    *,
    scope: str,
    primary: bool = False,
) -> Draft:
    params = answers.params
    tested = [case for case in cases if not case.blocked]
    shown = tested or [case for case in cases if len(cases) == 1 and case.singles]
    effect = None
    if shown:
        arms = [_arms(scores, case, answers, reading) for case in shown]
        effect = best_of_macro(arms, k=params.study.tries, confidence=params.compare.confidence)
    some = f"{len(tested)} of {len(cases)} tasks" if 0 < len(tested) < len(cases) else ""
    return Draft(
        model=scores.model,
        scope=scope,
        reading=reading,
        primary=primary,
        effect=effect,
        p=effect.p if effect and tested else None,
        blocked="" if tested else joined_reasons(case.blocked for case in cases),
        note="; ".join(filter(None, (f"k = {params.study.tries}, seeds: tries" if effect else "", some))),
        treatment_runs=tuple(dict.fromkeys(run for case in shown for run in case.mixtures)),
        control_runs=tuple(dict.fromkeys(run for case in shown for run in case.singles)),
    )


def _arms(
    scores: ModelScores, case: Case, answers: Answers, reading: Reading
) -> tuple[Tries, Tries, NDArray[np.str_]]:
    """Return the tries of mixtures and of singles, and the clusters of the items that all were asked."""
    runs = [*case.mixtures, *case.singles]
    found = answers.outcomes(scores, "explore", runs, task=case.task, reading=reading)
    dev, count = np.array([scores.dev[run, case.task] for run in runs]), len(case.mixtures)
    mixtures, singles = Tries(dev[:count], found.values[:count]), Tries(dev[count:], found.values[count:])
    return mixtures, singles, found.clusters
