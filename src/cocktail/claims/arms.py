"""The runs and outcomes behind each arm of a claim, and what forbids a test of them.

Before anything runs, the runs that a study will make tell which claims it cannot test on all their tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cocktail.analysis.floor import beats_guess, guess_share
from cocktail.analysis.scores import ModelScores, Outcomes, Reading, confirmed_arms
from cocktail.claims.reasons import CEILING, FLOOR, Reason, needs
from cocktail.claims.schema import TARGET_ARMS, TUNED_ARMS, UNTUNED_ARMS, Claim, ContrastTest, all_tasks_of
from cocktail.config import Params
from cocktail.data.confirmation import confirm_runs, dearest_choice
from cocktail.data.grid import candidates, explore_runs
from cocktail.scoring.answers import Evaluation

Array = NDArray[np.float64]
COLLAPSED_INVALID = 0.2  # share of INVALID answers above which a run counts as collapsed
NOTHING = pd.DataFrame()


@dataclass(frozen=True)
class ArmRuns:
    """The runs of one arm: one a seed, or the one run of a model that is not retrained ("fixed").

    Attributes:
        scores: of the model that the runs are of; a reference is another model than the one that is judged.
        missing: what the study lacks for this arm; then there are no runs.
    """

    scores: ModelScores
    stage: str = "confirm"
    runs: tuple[str, ...] = ()
    fixed: bool = False
    missing: Reason | None = None

    def outcomes(self, task: str, reading: Reading) -> Outcomes:
        """Return the outcomes of its runs on the items that all of them were asked."""
        return self.scores.outcomes(self.stage, self.runs, task, reading)

    def has_outcomes(self, task: str, reading: Reading) -> bool:
        """Return whether all of its runs have outcomes: an endpoint's model decodes no labels."""
        return set(self.runs) <= set(self.scores.table(self.stage, task, reading).values.index)


def at_chance(scores: ModelScores, evaluation: Evaluation, *, confidence: float) -> bool:
    """Return whether the untuned model itself is no better than a blind guess on test."""
    base = scores.outcomes("explore", ["base"], evaluation.task, "strict")
    guess = guess_share(evaluation)
    return not any(beats_guess(base.values, base.clusters, guess=guess, confidence=confidence))


def extreme(scores: ModelScores, task: str, outcomes: Array) -> Reason | None:
    """Return floor where nothing explored beats a blind guess, ceiling where all outcomes are right."""
    if scores.at_floor(task):
        return FLOOR
    return CEILING if bool((outcomes == 1).all()) else None


def arm_runs(
    arm: str, scores: ModelScores, reference: ModelScores | None, *, task: str, params: Params
) -> ArmRuns:
    """Return the runs of an arm on a task, or what is missing."""
    if task not in params.study.evaluations:
        return ArmRuns(scores, missing=needs(f"{task} in study.evaluations"))
    found = _arm_runs(arm, scores, reference, task=task, params=params)
    asked = found.scores.asked(found.stage, task)
    if lost := [run for run in found.runs if run not in asked]:
        return ArmRuns(scores, missing=needs(f"{lost[0]} to be asked {task}"))
    return found


def _arm_runs(
    arm: str, scores: ModelScores, reference: ModelScores | None, *, task: str, params: Params
) -> ArmRuns:
    if arm in UNTUNED_ARMS:
        owner = scores if arm == "base" else reference
        if owner is None:
            return ArmRuns(scores, missing=needs("a larger untuned model (reference: true)"))
        return ArmRuns(owner, "explore", ("base",), fixed=True)
    if arm in TARGET_ARMS:
        if task not in params.study.targets:
            return ArmRuns(scores, missing=Reason(code="target", detail=f"{task} in study.targets"))
        if scores.at_floor(task):
            return ArmRuns(scores, missing=FLOOR)
        if arm in TUNED_ARMS and not params.study.tries:
            return ArmRuns(scores, missing=needs("study.tries of 1 or more, and tuned in study.include"))
        found = confirmed_arms(scores, task).get(arm, [])
        matched = arm.partition("_as_")[2]
        lacks = matched and matched not in params.study.confirm_matched
        key = f"{matched} in study.confirm_matched" if lacks else "study.confirm_seeds"
        return ArmRuns(scores, runs=tuple(found), missing=None if found else needs(key))
    return _of_mixture(arm, scores, params)


def _of_mixture(mixture: str, scores: ModelScores, params: Params) -> ArmRuns:
    found = {run.seed: run.id for run in scores.confirmed if run.mixture == mixture}
    seeds = params.study.confirm_seeds
    if not seeds or not found.keys() >= set(seeds):
        return ArmRuns(scores, missing=needs(f"confirm runs of {mixture}"))
    return ArmRuns(scores, runs=tuple(found[seed] for seed in seeds))


def collapsed(arm: ArmRuns, *, task: str) -> int:
    """Return how many of an arm's tuned runs fell below the untuned model, or are INVALID in one of five."""
    if arm.fixed:
        return 0
    summary = arm.scores.summary
    base = arm.scores.value("explore", "base", task) or 0.0
    mine = summary.loc[[(arm.stage, run, task) for run in arm.runs]]
    unreadable = mine["invalid_strict"] / mine["n"] > COLLAPSED_INVALID
    return int(((mine["accuracy_strict"] < base) | unreadable).sum())


def invalid_share(arm: ArmRuns, *, task: str, reading: Reading) -> float:
    """Return the share of INVALID answers over the arm's runs."""
    mine = arm.scores.summary.loc[[(arm.stage, run, task) for run in arm.runs]]
    return float((mine[f"invalid_{reading}"] / mine["n"]).mean())


def lacking(claims: Sequence[Claim], params: Params) -> dict[str, list[str]]:
    """Return what the study has not, each with the claims that need it on some of their tasks.

    Whatever is chosen on dev has the same runs: the first candidate stands for it.
    """
    tuned = [name for name, model in params.models.items() if not model.untuned]
    references = [name for name, model in params.models.items() if model.untuned]
    if not tuned:
        return {}
    scores = _planned(tuned[0], params)
    reference = _planned(references[0], params) if references else None
    found: dict[str, list[str]] = {}
    for claim in claims:
        if not isinstance(claim.test, ContrastTest):
            continue
        needs = [
            arm_runs(arm, scores, reference, task=task, params=params).missing
            for task in all_tasks_of(claim.test, params.sources())
            for arm in (claim.test.treatment, claim.test.control)
        ]
        for need in dict.fromkeys(filter(None, needs)):
            found.setdefault(need.detail, []).append(claim.id)
    return found


def warning(claims: Sequence[Claim], params: Params) -> str:
    """Return a line on claims that the study cannot test on all their tasks; "" if it can test all."""
    untested = {claim for names in lacking(claims, params).values() for claim in names}
    if not untested:
        return ""
    why = f"`cocktail plan {params.study.name}` says why"
    return f"{len(untested)} claims will not be tested on all their tasks; {why}"


def _planned(model: str, params: Params) -> ModelScores:
    """The runs that a study will make of a model, without a score."""
    chosen = {target: candidates(params, target) for target in params.study.targets}
    first = {target: dearest_choice(params, target, names[0]) for target, names in chosen.items() if names}
    study = params.study.model_copy(update={"targets": list(first)})
    possible = params.model_copy(update={"study": study})
    return ModelScores(
        model=model,
        summary=NOTHING,
        items=NOTHING,
        selected=first,
        explored=tuple(explore_runs(params, model=model)),
        confirmed=tuple(confirm_runs(possible, first, model=model)),
    )
