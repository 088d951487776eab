"""claims.yaml is read strictly: unknown names, splits and families are one clear error each, all at once.

The rule of verdicts, exhaustively: an interval's ends in every gap between the bounds, and on them.
The one table of verdicts: what is written is read.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from claims_fixture import reason, verdict

from cocktail.claims.reasons import FLOOR, needs, told
from cocktail.claims.rows import VerdictRow, read_verdicts
from cocktail.claims.schema import read_claims
from cocktail.claims.verdict import Finding, Verdict, find, find_consistency, find_some
from cocktail.errors import ConfigError, RecordError

ROOT = Path(__file__).parents[2]
STATED = ROOT / "data/reference/claims.yaml"
Change = Callable[[dict[str, dict[str, Any]]], None]


@pytest.fixture(scope="module")
def raw() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(STATED.read_text(encoding="utf-8"))
    return found


def problems(tmp_path: Path, raw: dict[str, Any], change: Change) -> str:
    raw = copy.deepcopy(raw)
    change({claim["id"]: claim for claim in raw["claims"]})
    path = tmp_path / "claims.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_claims(path)
    return "\n".join(caught.value.problems)


def test_each_of_the_papers_seven_claims_is_stated_with_its_source() -> None:
    claims = read_claims(STATED)
    assert {claim.number for claim in claims} == set(range(1, 8))
    assert all(claim.margin == 2.0 for claim in claims)
    assert [claim.id for claim in claims if claim.family == "primary"] == [
        "mixtures_vs_tuned_singles",
        "mixture_vs_single",
        "mixture_vs_steps",
        "mixture_vs_size",
        "small_beats_larger",
        "regulariser",
        "math_in_finance",
        "math_reasoning",
        "no_broad_gain",
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda c: c["mixture_vs_single"]["test"].update(tasks=["fbp"]),
            "mixture_vs_single: unknown task 'fbp'; did you mean 'fpb'?",
        ),
        (
            lambda c: c["mixtures_vs_tuned_singles"]["test"].update(tasks=["orca_math"]),
            "mixtures_vs_tuned_singles: unknown task 'orca_math'",
        ),
        (
            lambda c: c["mixture_vs_single"]["test"].update(treatment="choosen"),
            "mixture_vs_single: unknown arm 'choosen'; did you mean 'chosen'?",
        ),
        (
            lambda c: c["regulariser"]["test"].update(control="without_openorca"),
            "regulariser: unknown run 'without_openorca'; did you mean 'without_open_orca'?",
        ),
        (
            lambda c: c["small_beats_larger"]["test"].update(treatment="reference", control="chosen"),
            "small_beats_larger: reference is what a model is held against; make it the control",
        ),
        (
            lambda c: c["regulariser"]["test"].update(control="all"),
            "regulariser: all is compared with itself",
        ),
        (lambda c: c["regulariser"]["test"].update(tasks=["gsm8k", "gsm8k"]), "a task is named twice"),
        (
            lambda c: c["holds_across_models"]["test"].update(of="mixture"),
            "holds_across_models: no claim 'mixture'",
        ),
        (
            lambda c: c["mixture_vs_single"].update(chosen_on="test"),
            "mixture_vs_single: chosen and tested on the same split, test",
        ),
        (
            lambda c: c["mixture_vs_single"].update(chosen_on="test", split="dev"),
            "mixture_vs_single: the verdict must be on test",
        ),
        (lambda c: c["transfer"].update(family="primary"), "transfer: family primary does not go with"),
        (lambda c: c["regulariser"].update(family="exploratory"), "family exploratory does not go with"),
        (lambda c: c["holds_across_models"].update(family="primary"), "make it secondary"),
        (lambda c: c["mixture_vs_single"].update(margn=1.0), "margn: unknown key; did you mean 'margin'?"),
        (
            lambda c: c["mixture_vs_single"]["test"].update(treatmnt="all"),
            "treatmnt: unknown key; did you mean 'treatment'?",
        ),
        (lambda c: c["mixture_vs_single"].update(margin=0.0), "mixture_vs_single: margin: "),
        (lambda c: c["mixture_vs_single"].update(margin="2"), "mixture_vs_single: margin: "),
        (lambda c: c["mixture_vs_single"].update(source="from memory"), "mixture_vs_single: source: "),
        (lambda c: c["mixture_vs_single"].pop("caveat"), "mixture_vs_single: caveat: Field required"),
        (lambda c: c["mixture_vs_single"]["test"].update(kind="guess"), "mixture_vs_single: test: "),
        (lambda c: c["mixture_vs_single"].update(id="mixture_vs_size"), "'mixture_vs_size' is given twice"),
        (
            lambda c: c["mixture_vs_single"]["test"].update(invalid_limit=0.1),
            "invalid_limit is of an untuned arm, and there is none",
        ),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, raw: dict[str, Any], change: Change, words: str) -> None:
    assert words in problems(tmp_path, raw, change)


def test_all_problems_are_shown_at_once(tmp_path: Path, raw: dict[str, Any]) -> None:
    def change(claims: dict[str, dict[str, Any]]) -> None:
        claims["mixture_vs_single"]["test"]["tasks"] = ["fbp"]
        claims["regulariser"]["test"]["control"] = "without_finqq"

    found = problems(tmp_path, raw, change)
    assert "'fpb'" in found and "'without_finqa'" in found

    def several(claims: dict[str, dict[str, Any]]) -> None:
        claims["mixture_vs_single"]["margin"] = -1.0
        claims["regulariser"]["chosen_on"] = "test"
        claims["regulariser"]["test"]["treatment"] = "al"
        del claims["transfer"]["title"]

    found = problems(tmp_path, raw, several)
    assert (
        "margin" in found
        and "same split" in found
        and "unknown arm 'al'" in found
        and "transfer: title" in found
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [("a: [", "not YAML"), ("[]", "Claims"), ("claims: []", "at least 1 item"), ("claims: [3]", "claim 1")],
)
def test_a_broken_file_is_a_clear_error(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "claims.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=words):
        read_claims(path)
    with pytest.raises(ConfigError, match="missing"):
        read_claims(tmp_path / "none.yaml")


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
    for low, high, found in ((-1, 1, "not supported"), (-3, 3, "under-powered")):
        assert find(low, high, margin=MARGIN, confidence=0.95, p_adjusted=p).verdict == found
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


@pytest.mark.parametrize(
    "path", sorted((ROOT / "reports/studies").glob("*/claims.json")), ids=lambda path: path.parent.name
)
def test_the_first_row_of_each_recorded_claim_is_its_headline(path: Path) -> None:
    for one in read_verdicts(path).claims:
        assert [row.headline for row in one.verdicts[:1]] == [True] * bool(one.verdicts)


def test_what_is_lacking_is_told_with_needs_and_the_rest_as_it_stands() -> None:
    reasons = [FLOOR, reason("target", "fpb in study.targets"), needs("gsm8k in study.evaluations")]
    assert told(reasons) == "floor; needs fpb in study.targets; and 1 more"
    assert told(reasons[:2]) == "floor; needs fpb in study.targets" and told([]) == ""


def test_a_review_reads_a_base_with_other_columns() -> None:
    row = verdict("macro", model="m", effect=1.0, verdict="supported")
    assert VerdictRow.model_validate(row | {"why": "floor"}) == VerdictRow.model_validate(row)
