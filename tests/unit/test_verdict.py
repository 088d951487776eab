"""The rule of verdicts, exhaustively: an interval's ends in every gap between the bounds, and on them."""

from __future__ import annotations

import itertools
import math

import pytest

from cocktail.claims.verdict import Finding, Verdict, find, find_consistency, find_some
from cocktail.errors import RecordError

MARGIN = 2.0
# One place in every gap between the bounds -2, 0, 2, and the bounds themselves.
PLACES = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
DIFFERENCE = {
    "contradicted": [(-3, -3), (-3, -2), (-3, -1), (-2, -2), (-2, -1)],
    "negligible": [(-1, -1), (1, 1)],
    "not supported": [(-1, 0), (-1, 1), (0, 0), (0, 1)],
    "supported": [(1, 2), (1, 3), (2, 2), (2, 3), (3, 3)],
}
NON_SUPERIORITY = {
    "supported": [(low, high) for low in (-3, -2, -1, 0, 1) for high in (-3, -2, -1, 0, 1) if low <= high],
    "contradicted": [(3, 3)],
}


def expected(table: dict[str, list[tuple[int, int]]], low: float, high: float) -> str:
    return next((name for name, cases in table.items() if (low, high) in cases), "under-powered")


@pytest.mark.parametrize(("low", "high"), [*itertools.combinations_with_replacement(PLACES, 2)])
def test_every_place_of_an_interval(low: float, high: float) -> None:
    rule = {"margin": MARGIN, "confidence": 0.95}
    assert find(low, high, **rule).verdict == expected(DIFFERENCE, low, high)
    no_better = find(low, high, **rule, non_superiority=True)
    assert no_better.verdict == expected(NON_SUPERIORITY, low, high)
    assert bool(no_better.reason) == ((low, high) == (-3, -3))
    part = find(low, high, **rule, partial="chosen among 9 of 17")
    assert part.verdict == expected({**DIFFERENCE, "contradicted": []}, low, high)
    assert ("chosen among 9 of 17" in str(part.reason)) == ((low, high) in DIFFERENCE["contradicted"])


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
@pytest.mark.parametrize(
    ("low", "high", "no_better", "verdict"),
    [
        (0.1, 2.5, False, "supported"),
        (-2.5, -0.1, False, "contradicted"),
        (-1, 1, True, "supported"),
        (2.1, 3, True, "contradicted"),
    ],
)
def test_a_verdict_of_the_primary_family_needs_its_adjusted_p(
    low: float, high: float, no_better: bool, verdict: Verdict, confidence: float
) -> None:
    def found(p: float | None) -> tuple[str, str]:
        one = find(low, high, margin=MARGIN, confidence=confidence, p_adjusted=p, non_superiority=no_better)
        return one.verdict, str(one.reason or "")

    level = 1 - confidence
    assert found(level) == found(0.0) == found(None) == (verdict, "")
    missed = math.nextafter(level, 1)
    assert found(missed) == ("under-powered", f"Holm-adjusted p {missed:.3f}")


@pytest.mark.parametrize("p", [0.001, 0.9, None])
def test_no_p_makes_a_verdict_of_an_undecided_interval(p: float | None) -> None:
    for low, high, verdict in ((-1, 1, "not supported"), (-3, 3, "under-powered")):
        assert find(low, high, margin=MARGIN, confidence=0.95, p_adjusted=p).verdict == verdict
    assert (
        find(-3, 3, margin=MARGIN, confidence=0.95, p_adjusted=p, non_superiority=True).verdict
        == "under-powered"
    )


def test_some_task_gains_whatever_the_others_do() -> None:
    gain, loss, doubt = Finding("supported"), Finding("contradicted"), Finding("under-powered")
    found = find_some({"fpb": loss, "finqa": gain}, [-2.5, 4.0], margin=MARGIN)
    assert (found.verdict, str(found.reason)) == ("supported", "1 of 2 tasks gain: finqa")
    assert find_some({"fpb": loss, "finqa": doubt}, [-2.5, 4.0], margin=MARGIN).verdict == "under-powered"
    assert find_some({"fpb": loss, "finqa": doubt}, [-2.5, 1.0], margin=MARGIN).verdict == "not supported"
    with pytest.raises(RecordError, match="no task"):
        find_some({}, [], margin=MARGIN)


@pytest.mark.parametrize(
    ("low", "high", "margin"), [(1, 0, 2), (math.nan, 1, 2), (0, math.inf, 2), (0, 1, 0), (0, 1, -1)]
)
def test_what_is_no_interval_is_refused(low: float, high: float, margin: float) -> None:
    with pytest.raises(RecordError, match="no interval to judge"):
        find(low, high, margin=margin, confidence=0.95)


@pytest.mark.parametrize(
    ("verdicts", "verdict"),
    [
        (["supported"] * 4, "supported"),
        (["supported", "supported", "under-powered"], "under-powered"),
        (["supported", "not supported", "under-powered"], "not supported"),
        (["supported", "not supported", "under-powered", "contradicted"], "contradicted"),
        (["under-powered"], "under-powered"),
    ],
)
def test_a_claim_holds_across_models_where_it_holds_with_each(verdicts: list[Verdict], verdict: str) -> None:
    found = find_consistency(verdicts)
    assert found.verdict == verdict
    assert str(found.reason) == f"supported with {verdicts.count('supported')} of {len(verdicts)} models"


def test_of_no_model_nothing_holds() -> None:
    with pytest.raises(RecordError, match="no verdict to count"):
        find_consistency([])
