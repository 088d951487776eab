"""One task of a claim: the runs of both arms, paired by seed, and what forbids a test of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from cocktail.analysis.scores import ModelScores, Reading
from cocktail.analysis.stats.crossed import MIN_SEEDS, TaskOutcomes
from cocktail.analysis.stats.variances import Arm
from cocktail.claims.arms import ArmRuns, arm_runs, at_chance, extreme, invalid_share
from cocktail.claims.reasons import BASE_AT_CHANCE, FORMAT, Reason, needs
from cocktail.claims.schema import Claim, ContrastTest
from cocktail.config import Params
from cocktail.scoring.answers import Evaluation


@dataclass(frozen=True)
class Setting:
    """Which claim is tested with which model, against which larger one, read how."""

    claim: Claim
    test: ContrastTest
    scores: ModelScores
    reference: ModelScores | None
    evaluations: Mapping[str, Evaluation]
    params: Params
    reading: Reading


@dataclass(frozen=True)
class Case:
    """One task of a claim: both arms' runs and outcomes, and why it is not tested, if so.

    Attributes:
        left_out: seeds that only one arm has.
        partial: which part of the grid the treatment was chosen from; "": the whole.
    """

    task: str
    treatment: ArmRuns
    control: ArmRuns
    outcomes: TaskOutcomes | None = None
    blocked: Reason | None = None
    left_out: tuple[int, ...] = ()
    partial: str = ""

    @property
    def fixed(self) -> list[Arm]:
        """The sides that are one given model, no draw of training."""
        sides: list[tuple[Arm, bool]] = [("treatment", self.treatment.fixed), ("control", self.control.fixed)]
        return [side for side, fixed in sides if fixed]


def case_of(setting: Setting, task: str) -> Case:
    """Return a task with the runs and outcomes of both arms, or with what forbids to compare them."""
    reading = setting.reading
    treatment, control = (
        arm_runs(arm, setting.scores, setting.reference, task=task, params=setting.params)
        for arm in (setting.test.treatment, setting.test.control)
    )
    if missing := treatment.missing or control.missing:
        return Case(task, treatment, control, blocked=missing)
    if reading == "decoded" and not setting.evaluations[task].labels:
        return Case(task, treatment, control, blocked=needs("labels"))
    treatment, control, left_out = _of_common_seeds(treatment, control)
    if not all(arm.has_outcomes(task, reading) for arm in (treatment, control)):
        what = {"decoded": "decoded labels", "logprob": "reference_logprob"}.get(reading, "answers")
        return Case(task, treatment, control, blocked=needs(f"{what} of both arms"))
    ours, theirs = (arm.outcomes(task, reading) for arm in (treatment, control))
    if not np.array_equal(ours.items, theirs.items):
        return Case(task, treatment, control, blocked=needs("both arms to be asked the same items"))
    if len(set(ours.clusters)) < 2:
        return Case(task, treatment, control, blocked=needs("items of two clusters"))
    outcomes = TaskOutcomes(ours.values, theirs.values, ours.clusters, treatment.runs, control.runs)
    case = Case(task, treatment, control, outcomes, left_out=left_out, partial=_partial(setting, task))
    return replace(case, blocked=_forbidden(setting, case, outcomes))


def _of_common_seeds(treatment: ArmRuns, control: ArmRuns) -> tuple[ArmRuns, ArmRuns, tuple[int, ...]]:
    """Pair two retrained arms by seed; a seed that lacks an arm is left out, and named."""
    if treatment.fixed or control.fixed:
        return treatment, control, ()
    ours, theirs = (
        {run.seed: run.id for run in arm.scores.confirmed if run.id in arm.runs}
        for arm in (treatment, control)
    )
    common = sorted(ours.keys() & theirs.keys())
    pairs = [
        replace(arm, runs=tuple(runs[seed] for seed in common))
        for arm, runs in ((treatment, ours), (control, theirs))
    ]
    return pairs[0], pairs[1], tuple(sorted(ours.keys() ^ theirs.keys()))


def _partial(setting: Setting, task: str) -> str:
    """Say of how many mixtures the chosen one was chosen, where the study explored a part of the grid."""
    selection = setting.scores.selected.get(task, {})
    if setting.test.treatment != "chosen" or "possible" not in selection:
        return ""
    found, possible = len(selection["candidates"]), selection["possible"]
    return f"chosen among {found} of {possible}" if found < possible else ""


def _forbidden(setting: Setting, case: Case, outcomes: TaskOutcomes) -> Reason | None:
    """Return why a task with all its runs is not tested: seeds, format, floor or ceiling; None: it is."""
    test, reading = setting.test, setting.reading
    arms = (case.treatment, case.control)
    if any(not arm.fixed and len(arm.runs) < MIN_SEEDS for arm in arms):
        return Reason(code="seeds", detail=f"seeds: fewer than {MIN_SEEDS} that both arms have")
    if reading == "logprob":  # neither format nor chance decides how likely a reference answer is
        return None
    # A tuned model that gives up the format loses to a larger one; it is not equal to what it was before.
    held = arms if test.kind == "non_superiority" else [arm for arm in arms if arm.fixed]
    if (
        test.invalid_limit is not None
        and reading != "decoded"
        and any(invalid_share(arm, task=case.task, reading=reading) > test.invalid_limit for arm in held)
    ):
        return FORMAT
    evaluation, confidence = setting.evaluations[case.task], setting.params.compare.confidence
    if test.base_above_chance and at_chance(setting.scores, evaluation, confidence=confidence):
        return BASE_AT_CHANCE
    both = np.concatenate([np.asarray(outcomes.treatment), np.asarray(outcomes.control)])
    return extreme(setting.scores, case.task, both)
