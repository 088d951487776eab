"""The content of claims.json, column by column: what tables, page, metrics and reviews read of verdicts."""

from __future__ import annotations

from typing import TypedDict

from cocktail.claims.verdict import Verdict


class VerdictRow(TypedDict):
    """One verdict: a claim, on all its tasks or on one, for one base model. Differences are in points.

    Columns:
        scope: "macro" (all tasks of the claim), a task, or a cell's name; "macro vs LARGER": against another
            model.
        reading: strict, lenient, or another of ``cocktail.analysis.scores.Reading``.
        reason: why nothing was tested, or what a reader must know beside the verdict; may be empty.
        effect, low, high: treatment minus control and its interval; None where nothing was computed.
        interval: what it is about: "training", or "these weights" with fewer than three seeds.
        p: of the claim's own null; p_adjusted: Holm over the model's primary rows, else None.
        detectable: the true effect that the test finds in at least 80 % of studies.
        treatment_runs, control_runs: run ids, of treatment_model and control_model.
        treatment_collapsed, control_collapsed: runs below the untuned model, or unreadable.
        primary: whether the row is in its model's Holm family.
    """

    model: str
    scope: str
    reading: str
    verdict: Verdict
    reason: str
    effect: float | None
    low: float | None
    high: float | None
    interval: str | None
    p: float | None
    p_adjusted: float | None
    n_items: int | None
    n_clusters: int | None
    n_seeds: int | None
    detectable: float | None
    treatment_model: str
    treatment_runs: list[str]
    control_model: str
    control_runs: list[str]
    treatment_collapsed: int
    control_collapsed: int
    primary: bool


class ClaimVerdicts(TypedDict):
    """A claim as claims.yaml states it, with its rows; the first of a model is its headline."""

    id: str
    number: int
    title: str
    statement: str
    family: str
    margin: float
    contradicted_by: str
    caveat: str
    source: str
    verdicts: list[VerdictRow]


class Verdicts(TypedDict):
    """The content of claims.json; ``rule`` is the number of the rule, ``lock`` a ``LockState``."""

    study: str
    tier: str
    rule: int
    lock: dict[str, str]
    note: str
    confidence: float
    claims: list[ClaimVerdicts]
