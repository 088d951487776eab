"""What a study cannot say of the claims, told before anything runs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from cocktail.analysis.scores import ModelScores
from cocktail.claims.arms import arm_runs
from cocktail.claims.schema import Claim, ContrastTest, all_tasks_of
from cocktail.config import Params
from cocktail.data.confirmation import confirm_runs, dearest_choice
from cocktail.data.grid import candidates, explore_runs

NOTHING = pd.DataFrame()


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
