"""Confirmed arms compared: per task, as the macro mean over those that can be tested, and if some gains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from cocktail.analysis.scores import ModelScores, Reading
from cocktail.analysis.stats.crossed import Effect, crossed_macro
from cocktail.analysis.stats.error_control import holm, power_at
from cocktail.claims.arms import collapsed
from cocktail.claims.cases import Case, Setting, case_of
from cocktail.claims.draft import MACRO, SOME, Draft
from cocktail.claims.reasons import LACKING, Reason, most_telling, needs
from cocktail.claims.schema import Claim, ContrastTest, all_tasks_of, tasks_of
from cocktail.claims.verdict import find, find_some
from cocktail.config import Params
from cocktail.scoring.answers import Evaluation

READINGS: tuple[Reading, ...] = ("strict", "lenient", "decoded", "logprob")


def contrast_drafts(
    claim: Claim,
    test: ContrastTest,
    scores: ModelScores,
    references: Sequence[ModelScores],
    evaluations: Mapping[str, Evaluation],
    params: Params,
) -> list[Draft]:
    """Return the macro rows (strict is the headline), then the rows of each task; once per reference.

    Of one task the task is the headline. What the study lacks is said once, in a strict row.
    """
    asks_reference = "reference" in (test.treatment, test.control)
    opponents: Sequence[ModelScores | None] = (references or [None]) if asks_reference else [None]
    tasks = tasks_of(test, params.study.evaluations)
    if not tasks:
        blocked = (needs(f"a task of group {test.tasks} in study.evaluations"),)
        primary = claim.family == "primary"
        return [Draft(scores.model, MACRO, "strict", headline=True, primary=primary, blocked=blocked)]
    heads: list[Draft] = []
    others: list[Draft] = []
    for reference in opponents:
        for reading in READINGS:
            setting = Setting(claim, test, scores, reference, evaluations, params, reading)
            cases = [case_of(setting, task) for task in tasks]
            head = _draft(setting, cases, scope=MACRO if len(cases) > 1 else cases[0].task)
            first = reading == READINGS[0]
            heads.append(replace(head, headline=first, primary=first and claim.family == "primary"))
            alone = [_draft(setting, [case], scope=case.task) for case in cases if len(cases) > 1]
            some = [_some(setting, alone)] if alone and test.some and reading == "strict" else []
            others += [*some, *alone]
    return [draft for draft in (*heads, *others) if draft.effect or draft.reading == "strict"]


def _draft(setting: Setting, cases: Sequence[Case], *, scope: str) -> Draft:
    """Compare the arms on the cases that can be tested; a single case is shown even where it cannot."""
    tested = [case for case in cases if not case.blocked]
    shown = tested or [case for case in cases if len(cases) == 1 and case.outcomes]
    outcomes = [case.outcomes for case in shown if case.outcomes]
    confidence = setting.params.compare.confidence
    effect = crossed_macro(outcomes, fixed=shown[0].fixed, confidence=confidence) if shown else None
    notes = (_note(setting, cases, tested), _left_out(shown), _power(setting, effect) if tested else None)
    return Draft(
        model=setting.scores.model,
        scope=scope,
        control_model=_control_model(setting),
        reading=setting.reading,
        effect=effect,
        p=_p(setting, effect) if effect and tested else None,
        blocked=() if tested else tuple(most_telling(case.blocked for case in cases if case.blocked)),
        notes=tuple(filter(None, notes)),
        treatment_runs=tuple(dict.fromkeys(run for case in shown for run in case.treatment.runs)),
        control_runs=tuple(dict.fromkeys(run for case in shown for run in case.control.runs)),
        partial="; ".join(dict.fromkeys(filter(None, (case.partial for case in shown)))),
        treatment_collapsed=sum(collapsed(case.treatment, task=case.task) for case in shown),
        control_collapsed=sum(collapsed(case.control, task=case.task) for case in shown),
    )


def _control_model(setting: Setting) -> str:
    return setting.reference.model if setting.reference else ""


def _some(setting: Setting, alone: Sequence[Draft]) -> Draft:
    """Whether at least one task gains, from the tasks' own rows; it shows the one that gains most surely."""
    effects = {draft.scope: draft.effect for draft in alone if draft.effect and draft.p is not None}
    if not effects:
        blocked = tuple(most_telling(reason for draft in alone for reason in draft.blocked))
        return Draft(
            setting.scores.model,
            SOME,
            setting.reading,
            control_model=_control_model(setting),
            blocked=blocked,
        )
    adjusted = dict(zip(effects, holm([draft.p for draft in alone if draft.p is not None]), strict=True))
    findings = {
        task: find(
            100 * effect.low,
            100 * effect.high,
            margin=setting.claim.margin,
            confidence=setting.params.compare.confidence,
            p_adjusted=adjusted[task],
        )
        for task, effect in effects.items()
    }
    highs = [100 * effect.high for effect in effects.values()]
    surest = max(effects, key=lambda task: effects[task].estimate / (effects[task].se or 1e-9))
    return replace(
        next(draft for draft in alone if draft.scope == surest),
        scope=SOME,
        p_adjusted=adjusted[surest],
        notes=(Reason(code="shown", detail=f"shown: {surest}"),),
        finding=find_some(findings, highs, margin=setting.claim.margin),
    )


def _p(setting: Setting, effect: Effect) -> float:
    """Of no difference; of a non-superiority: of a difference of the margin."""
    is_margin_asked = setting.test.kind == "non_superiority"
    return effect.p_against(setting.claim.margin / 100) if is_margin_asked else effect.p


def _power(setting: Setting, effect: Effect | None) -> Reason | None:
    """Say how surely a non-superiority would be shown if there were no difference at all."""
    if setting.test.kind != "non_superiority" or effect is None:
        return None
    alpha = 1 - setting.params.compare.confidence
    power = power_at(effect, setting.claim.margin / 100, alpha=alpha)
    return Reason(code="power", detail=f"power {100 * power:.0f} % if nothing differs")


def _left_out(cases: Sequence[Case]) -> Reason | None:
    seeds = ", ".join(map(str, sorted({seed for case in cases for seed in case.left_out})))
    return Reason(code="left_out", detail=f"seeds that lack an arm: {seeds}") if seeds else None


def _note(setting: Setting, cases: Sequence[Case], tested: Sequence[Case]) -> Reason | None:
    """Say of how many tasks a macro mean is, and which were left out for what their scores are."""
    known = all_tasks_of(setting.test, setting.params.sources())
    total = len(known) if len(cases) > 1 else len(cases)
    if not tested or len(tested) == total:
        return None
    left_out: dict[Reason, list[str]] = {}
    for case in cases:
        if case.blocked and case.blocked.code not in LACKING:
            left_out.setdefault(case.blocked, []).append(case.task)
    told = [f"{reason}: {' '.join(tasks)}" for reason, tasks in left_out.items()]
    return Reason(code="tasks", detail=", ".join([f"{len(tested)} of {total} tasks", *told]))
