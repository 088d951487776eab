"""Confirmed arms compared: per task, and as the macro mean over the tasks that can be tested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cocktail.claims.arms import Answers, ArmRuns, arm_runs, invalid_share
from cocktail.claims.draft import MACRO, Draft, joined_reasons
from cocktail.claims.schema import Claim, ContrastTest
from cocktail.comparison.scores import READINGS, ModelScores, Reading
from cocktail.stats.crossed import Arm, Effect, TaskOutcomes, crossed_macro
from cocktail.stats.equivalence import equivalence_test


@dataclass(frozen=True)
class Setting:
    """Which claim is tested with which model, against which larger one, read how."""

    claim: Claim
    test: ContrastTest
    scores: ModelScores
    reference: ModelScores | None
    answers: Answers
    reading: Reading = "strict"


@dataclass(frozen=True)
class Case:
    """One task of a claim: both arms' runs and outcomes, and why it is not tested, if so."""

    task: str
    treatment: ArmRuns
    control: ArmRuns
    outcomes: TaskOutcomes | None = None
    blocked: str = ""

    @property
    def fixed(self) -> list[Arm]:
        """The sides that are one given model, no draw of training."""
        sides: list[tuple[Arm, bool]] = [
            ("treatment", self.treatment.fixed),
            ("control", self.control.fixed),
        ]
        return [side for side, fixed in sides if fixed]


def contrast_drafts(
    claim: Claim, test: ContrastTest, scores: ModelScores, answers: Answers, references: Sequence[ModelScores]
) -> list[Draft]:
    """Return the macro rows (strict is the headline), then the rows of each task; once per reference.

    Of one task the task is the headline. What the study lacks is said once, in a strict row.
    """
    asks_reference = "reference" in (test.treatment, test.control)
    opponents: Sequence[ModelScores | None] = (references or [None]) if asks_reference else [None]
    heads: list[Draft] = []
    others: list[Draft] = []
    for reference in opponents:
        for reading in READINGS:
            setting = Setting(claim, test, scores, reference, answers, reading)
            cases = [_case(setting, task) for task in test.tasks]
            head = _draft(setting, cases, scope=MACRO if len(cases) > 1 else cases[0].task)
            heads.append(replace(head, primary=claim.family == "primary" and reading == "strict"))
            others += [_draft(setting, [case], scope=case.task) for case in cases if len(cases) > 1]
    return [draft for draft in (*heads, *others) if draft.effect or draft.reading == "strict"]


def _case(setting: Setting, task: str) -> Case:
    scores, answers, reading = setting.scores, setting.answers, setting.reading
    treatment, control = (
        arm_runs(arm, scores, setting.reference, task=task, params=answers.params)
        for arm in (setting.test.treatment, setting.test.control)
    )
    if missing := treatment.missing or control.missing:
        return Case(task, treatment, control, blocked=missing)
    ours, theirs = (answers.of_arm(arm, task=task, reading=reading) for arm in (treatment, control))
    if not np.array_equal(ours.clusters, theirs.clusters):
        return Case(task, treatment, control, blocked="needs both arms to be asked the same items")
    if len(set(ours.clusters)) < 2:
        return Case(task, treatment, control, blocked="needs items of two clusters")
    outcomes = TaskOutcomes(ours.values, theirs.values, ours.clusters)
    case = Case(task, treatment, control, outcomes)
    return replace(case, blocked=_forbidden(setting, case, outcomes))


def _forbidden(setting: Setting, case: Case, outcomes: TaskOutcomes) -> str:
    """Return why a task with all its runs is not tested: format, floor or ceiling; empty: it is."""
    test, answers, reading = setting.test, setting.answers, setting.reading
    clusters = np.asarray(outcomes.clusters, dtype=str)
    arms = (case.treatment, case.control)
    # A tuned model that gives up the format loses to a larger one; it is not equal to what it was before.
    obedient = arms if test.kind == "equivalence" else [arm for arm in arms if arm.fixed]
    if test.invalid_limit is not None and any(
        invalid_share(arm, task=case.task, reading=reading) > test.invalid_limit for arm in obedient
    ):
        return "format"
    base = answers.outcomes(setting.scores, "explore", ["base"], task=case.task, reading=reading)
    known = answers.extreme(base.values, task=case.task, clusters=base.clusters)
    if test.base_above_chance and known == "floor":
        return "floor"
    both = np.concatenate([np.asarray(outcomes.treatment), np.asarray(outcomes.control)])
    return answers.extreme(both, task=case.task, clusters=clusters)


def _draft(setting: Setting, cases: Sequence[Case], *, scope: str) -> Draft:
    """Compare the arms on the cases that can be tested; a single case is shown even where it cannot."""
    tested = [case for case in cases if not case.blocked]
    shown = tested or [case for case in cases if len(cases) == 1 and case.outcomes]
    effect = _effect(setting, shown) if shown else None
    blocked = "" if tested else joined_reasons(case.blocked for case in cases)
    if not blocked and effect and effect.scope != "training":
        blocked = "seeds"
    return Draft(
        model=setting.scores.model,
        scope=f"{scope} vs {setting.reference.model}" if setting.reference else scope,
        reading=setting.reading,
        effect=effect,
        p=_p(setting, effect) if effect and not blocked else None,
        blocked=blocked,
        note=_note(cases, tested),
        treatment_runs=tuple(dict.fromkeys(run for case in shown for run in case.treatment.runs)),
        control_runs=tuple(dict.fromkeys(run for case in shown for run in case.control.runs)),
    )


def _effect(setting: Setting, cases: Sequence[Case]) -> Effect:
    return crossed_macro(
        [case.outcomes for case in cases if case.outcomes],
        fixed=cases[0].fixed,
        confidence=setting.answers.params.compare.confidence,
    )


def _p(setting: Setting, effect: Effect) -> float:
    """Of no difference; of an equality: of one beyond the margin, or, where there is one, of none."""
    if setting.test.kind != "equivalence":
        return effect.p
    margin = setting.claim.margin / 100
    tested = equivalence_test(effect, margin=margin)
    return tested.p_beyond if effect.estimate > margin else tested.p


def _note(cases: Sequence[Case], tested: Sequence[Case]) -> str:
    """Say of how many tasks a macro mean is, and which were left out for what their scores are."""
    if not tested or len(tested) == len(cases):
        return ""
    left_out = [f"{case.blocked}: {case.task}" for case in cases if case.blocked and case.outcomes]
    return ", ".join([f"{len(tested)} of {len(cases)} tasks", *left_out])
