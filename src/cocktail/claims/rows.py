"""claims.json, column by column: what all tables, pages, metrics and reviews read of verdicts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from cocktail.claims.reasons import Reason, told
from cocktail.claims.verdict import Verdict
from cocktail.config import LockState, Tier
from cocktail.errors import RecordError
from cocktail.files.records import read_json


class _Row(BaseModel):
    """Strict and frozen; a column that a reader does not know may be there: a review reads both versions."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class VerdictRow(_Row):
    """One verdict: a claim, on all its tasks or on one, for one base model. Differences are in points.

    Attributes:
        scope: "macro" (all tasks of the claim), "at least one task", a task, or a cell's name.
        reading: strict, lenient, or another of ``cocktail.analysis.scores.Reading``.
        headline: whether it is what the claim says of the model, first of all its rows.
        reasons: why nothing was tested, or what a reader must know beside the verdict; may be none.
        effect, low, high: treatment minus control and its interval; None where nothing was computed.
        interval: what it is about: "training", or "these weights" with fewer than three seeds.
        p: of the claim's own null; p_adjusted: Holm over the model's primary rows, else None.
        detectable: the true effect that the test finds in at least 80 % of studies.
        treatment_model: always ``model``; control_model: another, where a larger untuned one is the control.
        treatment_runs, control_runs: run ids, of treatment_model and control_model.
        treatment_collapsed, control_collapsed: runs below the untuned model, or unreadable.
        primary: whether the row is in its model's Holm family.
    """

    model: str
    scope: str
    reading: str
    headline: bool
    verdict: Verdict
    reasons: list[Reason]
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

    @property
    def reason(self) -> str:
        """The words of its reasons."""
        return told(self.reasons)

    @property
    def on(self) -> str:
        """What it is about: its scope, and the larger model that the control is."""
        return self.scope if self.control_model == self.model else f"{self.scope} vs {self.control_model}"


class ClaimVerdicts(_Row):
    """A claim as claims.yaml states it, with its rows; none where no model of the study is tuned."""

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

    def headlines(self) -> list[VerdictRow]:
        """Return what it says of each model; once per larger model that it is held against."""
        return [row for row in self.verdicts if row.headline]

    def counts(self) -> dict[str, int]:
        """Return how often each verdict was given, in the order of first appearance."""
        return dict(Counter(row.verdict for row in self.verdicts))


Said = tuple[ClaimVerdicts, VerdictRow]  # a row with the claim that it belongs to


class Verdicts(_Row):
    """The content of claims.json; ``rule`` is the number of the rule, ``lock`` a ``LockState``."""

    model_config = ConfigDict(strict=False)  # a lock is a dict in JSON

    study: str
    tier: Tier
    rule: int
    lock: LockState
    note: str
    confidence: float
    claims: list[ClaimVerdicts]

    @property
    def locked(self) -> bool:
        """Whether claims, rule and params were fixed before the runs."""
        return self.lock.state == "locked"

    @property
    def short_standing(self) -> str:
        """Tier, rule and lock for a cell: ``paper, rule 2, locked 2030-01-31``."""
        state = f"{self.lock.state} {self.lock.date}" if self.locked else self.lock.state
        return f"{self.tier}, rule {self.rule}, {state}"

    @property
    def standing(self) -> str:
        """What the verdicts rest on: tier, rule and lock, in a sentence."""
        state = f"not locked ({self.lock.reason})"
        if self.locked:
            state = f"locked {self.lock.date} at commit {self.lock.commit[:12]}"
        return f"Tier {self.tier}; rule {self.rule}; {state}."

    def headlines(self) -> list[Said]:
        """Return what each claim says of each model, in the order of the claims."""
        return [(claim, row) for claim in self.claims for row in claim.headlines()]

    def of_task(self, task: str) -> list[Said]:
        """Return the rows about one task, answers read strictly; what was tested comes first."""
        rows = [(claim, row) for claim in self.claims for row in claim.verdicts]
        found = [said for said in rows if (said[1].scope, said[1].reading) == (task, "strict")]
        return sorted(found, key=lambda said: said[1].effect is None)


def read_verdicts(path: Path) -> Verdicts:
    """Return the content of a claims.json.

    Raises:
        RecordError: the file is missing, is not JSON, or breaks its form.
    """
    content = read_json(path)
    try:
        return Verdicts.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RecordError(
            f"not the verdicts of a study ({place}: {first['msg']})", where=str(path), fix="dvc repro analyze"
        ) from None


def study_verdicts(path: Path, *, study: str) -> Verdicts:
    """Return :func:`read_verdicts` of ``study``.

    Raises:
        RecordError: see there; or the file is of another study.
    """
    found = read_verdicts(path)
    if found.study != study:
        raise RecordError(
            f"verdicts are of study {found.study!r}, params of {study!r}", where=str(path), fix="dvc repro"
        )
    return found
