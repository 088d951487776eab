"""The rule of verdicts, as pure functions of numbers.

A difference (treatment minus control) is

    supported       the interval lies above zero
    contradicted    the interval lies below zero
    not supported   the interval lies inside -margin .. +margin: there is no difference to speak of
    under-powered   none of these: the study cannot tell

and an equality (a difference within the margin is what is claimed) is

    supported       the interval lies inside -margin .. +margin
    contradicted    the interval lies above +margin
    not supported   the interval lies below -margin; the reason is "loss"
    under-powered   none of these

In the primary family "supported" and "contradicted" need a Holm-adjusted p of at most 1 - confidence as well;
where that is missed the verdict is under-powered and says so. An interval that touches a bound is not beyond
it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cocktail.errors import RecordError

Verdict = Literal["supported", "contradicted", "not supported", "under-powered", "not tested"]
VERDICTS: tuple[Verdict, ...] = ("supported", "contradicted", "not supported", "under-powered", "not tested")
RULES = {  # the newest is the rule in use; whoever changes what a verdict says adds a line
    1: "unpaired seeds; an interval against zero and the margin; Holm over the primary family",
    2: "seed-paired effects; negligible effects; one floor rule on dev",
}
CODES = {"supported": 1, "contradicted": -1}  # of metrics; every other verdict is 0


@dataclass(frozen=True)
class Finding:
    """A verdict and, where the interval alone does not explain it, the reason."""

    verdict: Verdict
    reason: str = ""


def find(
    low: float,
    high: float,
    *,
    margin: float,
    confidence: float,
    p_adjusted: float | None = None,
    equality: bool = False,
) -> Finding:
    """Return the verdict on an interval.

    Args:
        low, high: the interval of the difference, in the unit of ``margin``.
        p_adjusted: None outside of the primary family.
        equality: whether equality, not difference, is what is claimed.

    Raises:
        RecordError: the interval is upside down or not finite, or the margin is not above zero.
    """
    if not (math.isfinite(low) and math.isfinite(high) and low <= high and margin > 0):
        raise RecordError(f"no interval to judge: {low} to {high}, margin {margin}")
    found = _equality(low, high, margin) if equality else _difference(low, high, margin)
    decided = found.verdict in CODES
    if decided and p_adjusted is not None and p_adjusted > 1 - confidence:
        return Finding("under-powered", f"Holm-adjusted p {p_adjusted:.3f}")
    return found


def find_consistency(verdicts: Sequence[Verdict]) -> Finding:
    """Return the verdict on "the claim holds with every base model", from its verdict with each.

    Raises:
        RecordError: there is none.
    """
    if not verdicts:
        raise RecordError("no verdict to count")
    share = f"supported with {verdicts.count('supported')} of {len(verdicts)} models"
    if "contradicted" in verdicts:
        return Finding("contradicted", share)
    if all(verdict == "supported" for verdict in verdicts):
        return Finding("supported", share)
    if "not supported" in verdicts:
        return Finding("not supported", share)
    return Finding("under-powered", share)


def _difference(low: float, high: float, margin: float) -> Finding:
    if low > 0:
        return Finding("supported")
    if high < 0:
        return Finding("contradicted")
    return Finding("not supported" if -margin < low and high < margin else "under-powered")


def _equality(low: float, high: float, margin: float) -> Finding:
    if -margin < low and high < margin:
        return Finding("supported")
    if low > margin:
        return Finding("contradicted")
    return Finding("not supported", "loss") if high < -margin else Finding("under-powered")
