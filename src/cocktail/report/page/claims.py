"""Verdicts as the page reads them from ``reports/claims.json``, checked on the way in."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from cocktail.claims.verdict import Verdict as Judged
from cocktail.config import Tier
from cocktail.errors import RecordError
from cocktail.files.records import read_json
from cocktail.report.standing import RULE, TIER, lock_of, standing_text

NOT_TESTED = "not tested"


class _Read(BaseModel):
    """Strict and frozen; keys that the page does not show may be there."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class Verdict(_Read):
    """One row of a claim; effects and intervals in points, None where nothing was measured.

    ``interval`` says what the interval is about: "these weights" where one seed was trained.
    """

    model: str
    scope: str
    reading: str
    verdict: Judged
    reason: str
    effect: float | None
    low: float | None
    high: float | None
    interval: str | None = None
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
    primary: bool


class Claim(_Read):
    """One testable statement; of each model the first verdict is the one a reader sees first.

    A model that is held against several larger ones has as many first verdicts.
    """

    id: str
    number: int
    title: str
    statement: str
    source: str
    family: str
    margin: float | None
    contradicted_by: str
    caveat: str
    verdicts: list[Verdict]  # none where no model of the study is tuned

    def headlines(self) -> list[Verdict]:
        """Return the first row of each model and of the model that it is held against."""
        first: dict[tuple[str, str], Verdict] = {}
        for row in self.verdicts:
            first.setdefault((row.model, row.control_model), row)
        return list(first.values())

    def counts(self) -> dict[str, int]:
        """Return how often each verdict was given, in the order of first appearance."""
        return dict(Counter(row.verdict for row in self.verdicts))


class Claims(_Read):
    """All claims of one study; verdicts that are older than tiers and locks say nothing of them."""

    study: str
    tier: Tier = TIER
    rule: int = RULE
    lock: dict[str, str] = {}
    note: str
    confidence: float
    claims: list[Claim]

    @property
    def standing(self) -> str:
        """What the verdicts rest on: tier, rule and lock, in a sentence."""
        return standing_text(self.model_dump(include={"tier", "rule", "lock"}))

    @property
    def locked(self) -> bool:
        """Whether claims, rule and params were fixed before the runs."""
        return lock_of(self.model_dump(include={"lock"}))["state"] == "locked"


def read_claims(path: Path, *, study: str) -> Claims | None:
    """Return the claims of ``study``; None where no verdicts were written.

    Raises:
        RecordError: the file breaks its form, or is of another study.
    """
    if not path.is_file():
        return None
    try:
        claims = Claims.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RecordError(
            f"not the verdicts of a study ({place}: {first['msg']})", where=str(path), fix="dvc repro analyze"
        ) from None
    if claims.study != study:
        raise RecordError(
            f"verdicts are of study {claims.study!r}, params of {study!r}", where=str(path), fix="dvc repro"
        )
    return claims
