"""Made-up verdicts in the form of reports/claims.json: every kind of verdict, long and short claims."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cocktail.claims.reasons import Reason, ReasonCode
from cocktail.claims.rows import VerdictRow, Verdicts

STANDING = {"tier": "miniature", "rule": 2, "lock": {"state": "not locked", "reason": "made up"}}
NOTE = "MADE UP for a test: none of these verdicts was measured."
VERDICTS = ("supported", "contradicted", "not supported", "under-powered")


def reason(code: ReasonCode, detail: str = "") -> Reason:
    """A reason whose words are its code where no others are given."""
    return Reason(code=code, detail=detail or code)


def with_words(row: VerdictRow) -> dict[str, Any]:
    """A row as a dict, with its reasons in words, and the larger model in its scope."""
    return row.model_dump() | {"reason": row.reason, "scope": row.on}


def as_told(verdicts: Verdicts) -> dict[str, Any]:
    """All verdicts as dicts, each row with words."""
    claims = [
        claim.model_dump() | {"verdicts": list(map(with_words, claim.verdicts))} for claim in verdicts.claims
    ]
    return verdicts.model_dump() | {"claims": claims}


def verdict(
    scope: str, *, model: str, effect: float | None, verdict: str, reasons: Sequence[Reason] = (), **more: Any
) -> dict[str, Any]:
    """One row; without an effect nothing was measured."""
    measured = effect is not None
    row = {
        "model": model,
        "scope": scope,
        "reading": "strict",
        "headline": False,
        "verdict": verdict,
        "reasons": [one.model_dump() for one in reasons],
        "effect": effect,
        "low": effect - 3.25 if measured else None,
        "high": effect + 3.25 if measured else None,
        "interval": "training" if measured else None,
        "p": 0.0004 if measured else None,
        "p_adjusted": 0.0123 if measured else None,
        "n_items": 120 if measured else None,
        "n_clusters": 60 if measured else None,
        "n_seeds": 3 if measured else None,
        "detectable": 5.5 if measured else None,
        "treatment_model": model,
        "control_model": model,
        "treatment_runs": ["all-s101", "all-s102", "all-s103"] if measured else [],
        "control_runs": ["single_fpb-s101", "single_fpb-s102", "single_fpb-s103"] if measured else [],
        "treatment_collapsed": 0,
        "control_collapsed": 0,
        "primary": False,
    }
    return {**row, **more}


def claim(name: str, number: int, title: str, rows: Sequence[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """One claim with its rows; the first of a model and of the larger one beside it is the headline."""
    models = [(row["model"], row["control_model"]) for row in rows]
    rows = [row | {"headline": models.index(models[place]) == place} for place, row in enumerate(rows)]
    facts = {
        "id": name,
        "number": number,
        "title": title,
        "statement": f"{title}: made up, and long enough to need more than one line on a phone.",
        "source": "abstract, claim 2",
        "family": "primary",
        "margin": 2.0,
        "contradicted_by": "An interval that lies below zero.",
        "caveat": "Two of seven finance tasks.",
    }
    return {**facts, "verdicts": list(rows), **more}


def made_up_claims(study: str, model: str, tasks: Sequence[str]) -> dict[str, Any]:
    """All of claims.json: one claim for each verdict, one not tested, one with more rows than a screen."""
    first = verdict("macro", model=model, effect=6.5, verdict="supported", primary=True)
    short = [
        claim(
            f"made_up_{place}",
            place,
            f"Made up, {kind}",
            [{**first, "verdict": kind, "effect": effect, "low": effect - 3.25, "high": effect + 3.25}]
            + [verdict(task, model=model, effect=effect + 1, verdict=kind) for task in tasks[:2]],
        )
        for place, (kind, effect) in enumerate(zip(VERDICTS, (6.5, -12.0, 0.25, 2.0), strict=True), start=1)
    ]
    untested = verdict(
        "macro", model=model, effect=None, verdict="not tested", reasons=[reason("seeds")], primary=True
    )
    many = [
        verdict(
            f"{task} + {other}", model=model, effect=place - 5.0, verdict="under-powered", reading=reading
        )
        for reading in ("strict", "lenient")
        for place, task in enumerate(tasks)
        for other in tasks
        if other != task
    ]
    return {
        **STANDING,
        "study": study,
        "note": NOTE,
        "confidence": 0.95,
        "claims": [
            *short,
            claim("made_up_untested", 5, "Made up, not tested", [untested]),
            claim("made_up_many", 6, "Made up, many rows", many, family="exploratory", caveat=""),
        ],
    }
