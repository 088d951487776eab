"""claims.yaml is read strictly: unknown names, splits and families are one clear error each, all at once."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cocktail.claims.schema import read_claims
from cocktail.errors import ConfigError

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
