"""The rule of verdicts, as pure functions of numbers.

A difference (treatment minus control) is

    supported       the interval lies above zero, and reaches the margin
    contradicted    the interval lies below zero, and reaches -margin
    negligible      the interval lies to one side of zero and inside -margin .. +margin: real, and too small
    not supported   the interval holds zero and lies inside -margin .. +margin: no difference to speak of
    under-powered   none of these: the study cannot tell

and a non-superiority ("not better by the margin" is what is claimed) is

    supported       the interval lies below +margin
    contradicted    the interval lies above +margin
    under-powered   neither

A row that looked at a part of what a claim speaks of cannot contradict it: it is under-powered, and says why.

In the primary family "supported" and "contradicted" need a Holm-adjusted p of at most 1 - confidence as well;
where that is missed the verdict is under-powered and says so. An interval that touches a bound is not beyond
it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from cocktail.claims.reasons import Reason
from cocktail.errors import RecordError

Verdict = Literal["supported", "contradicted", "negligible", "not supported", "under-powered", "not tested"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
RULES = {  # the newest is the rule in use; whoever changes what a verdict says adds a line
    1: "unpaired seeds; an interval against zero and the margin; Holm over the primary family",
    2: "seed-paired effects; negligible effects; non-superiority; some task gains; one floor rule, on dev",
}
DECIDED = ("supported", "contradicted")


@dataclass(frozen=True)
class Finding:
    """A verdict and, where the interval alone does not explain it, the reason."""

    verdict: Verdict
    reason: Reason | None = None


def find(
    low: float,
    high: float,
    *,
    margin: float,
    confidence: float,
    p_adjusted: float | None = None,
    non_superiority: bool = False,
    partial: str = "",
) -> Finding:
    """Return the verdict on an interval.

    Args:
        low, high: the interval of the difference, in the unit of ``margin``.
        p_adjusted: None outside of the primary family.
        non_superiority: whether "not better by the margin", not a difference, is what is claimed.
        partial: which part of what the claim speaks of was looked at; "": all of it.

    Raises:
        RecordError: the interval is upside down or not finite, or the margin is not above zero.
    """
    if not (math.isfinite(low) and math.isfinite(high) and low <= high and margin > 0):
        raise RecordError(f"no interval to judge: {low} to {high}, margin {margin}")
    found = _non_superiority(low, high, margin) if non_superiority else _difference(low, high, margin)
    if found.verdict == "contradicted" and partial:
        return Finding("under-powered", Reason(code="partial", detail=f"below zero, but {partial}"))
    decided = found.verdict in DECIDED
    if decided and p_adjusted is not None and p_adjusted > 1 - confidence:
        return Finding("under-powered", Reason(code="holm", detail=f"Holm-adjusted p {p_adjusted:.3f}"))
    return found


def find_consistency(verdicts: Sequence[Verdict]) -> Finding:
    """Return the verdict on "the claim holds with every base model", from its verdict with each.

    Raises:
        RecordError: there is none.
    """
    if not verdicts:
        raise RecordError("no verdict to count")
    share = Reason(
        code="models", detail=f"supported with {verdicts.count('supported')} of {len(verdicts)} models"
    )
    if "contradicted" in verdicts:
        return Finding("contradicted", share)
    if all(verdict == "supported" for verdict in verdicts):
        return Finding("supported", share)
    if {"not supported", "negligible"} & set(verdicts):
        return Finding("not supported", share)
    return Finding("under-powered", share)


def find_some(findings: Mapping[str, Finding], highs: Sequence[float], *, margin: float) -> Finding:
    """Return the verdict on "at least one task gains", which no loss on other tasks contradicts.

    Args:
        findings: of each task, from an interval and a p adjusted over the tasks (Holm).
        highs: upper ends of the tasks' intervals, in the unit of ``margin``.

    Raises:
        RecordError: there is no task.
    """
    if not findings:
        raise RecordError("no task to look at")
    gains = [task for task, finding in findings.items() if finding.verdict == "supported"]
    verdict: Verdict = "supported" if gains else "not supported" if max(highs) < margin else "under-powered"
    words = {
        "supported": f"{len(gains)} of {len(findings)} tasks gain: {', '.join(gains)}",
        "not supported": f"none of {len(findings)} tasks gains the margin",
        "under-powered": f"none of {len(findings)} tasks is shown to gain",
    }
    return Finding(verdict, Reason(code="some", detail=words[verdict]))


def _difference(low: float, high: float, margin: float) -> Finding:
    if -margin < low and high < margin:
        return Finding("negligible" if low > 0 or high < 0 else "not supported")
    if low > 0:
        return Finding("supported")
    return Finding("contradicted" if high < 0 else "under-powered")


def _non_superiority(low: float, high: float, margin: float) -> Finding:
    if high < margin:
        loss = Reason(code="loss", detail="a loss of the margin or more")
        return Finding("supported", loss if high < -margin else None)
    return Finding("contradicted" if low > margin else "under-powered")
