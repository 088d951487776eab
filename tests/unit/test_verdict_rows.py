"""The one table of verdicts: what is written is read, and what older records say is said the same way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from claims_fixture import claim, verdict

from cocktail.claims.reasons import older_reasons, told
from cocktail.claims.rows import VerdictRow, read_verdicts
from cocktail.files.records import read_json, write_json

ROOT = Path(__file__).parents[2]
OLD = sorted((ROOT / "reports/studies").glob("*/claims.json"))


def older(content: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a claims.json that was written before reasons had codes."""
    return [row for one in content["claims"] for row in one["verdicts"] if "reason" in row]


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.parent.name)
def test_a_record_says_what_it_said(path: Path) -> None:
    """In words, row by row; no reason of a record is without a code."""
    rows = [row for one in read_verdicts(path).claims for row in one.verdicts]
    if said := older(read_json(path)):
        assert [(row.on, row.reason) for row in rows] == [(row["scope"], row["reason"]) for row in said]
    assert all(one.code != "note" for row in rows for one in row.reasons)
    for one in read_verdicts(path).claims:
        assert [row.headline for row in one.verdicts[:1]] == [True] * bool(one.verdicts)


def test_some_record_is_older_than_codes() -> None:
    assert any(older(read_json(path)) for path in OLD)


def test_an_older_row_has_its_larger_model_in_its_scope(tmp_path: Path) -> None:
    rows = [
        verdict(f"{scope} vs large", model="m", effect=1.0, verdict="supported", control_model="large")
        for scope in ("macro", "fpb")
    ]
    for row in rows:
        del row["reasons"], row["headline"]
    made = claim(
        "a", 1, "A", [row | {"reason": "2 of 7 tasks; power 80 % if nothing differs"} for row in rows]
    )
    for row in made["verdicts"]:
        del row["headline"]
    write_json(tmp_path / "claims.json", {"study": "s", "note": "", "confidence": 0.95, "claims": [made]})
    (found,) = read_verdicts(tmp_path / "claims.json").claims
    assert [(row.scope, row.on, row.headline) for row in found.verdicts] == [
        ("macro", "macro vs large", True),
        ("fpb", "fpb vs large", False),
    ]
    assert [one.code for one in found.verdicts[0].reasons] == ["tasks", "power"]


def test_what_is_lacking_is_told_with_needs_and_the_rest_as_it_stands() -> None:
    words = "floor; needs fpb in study.targets; needs gsm8k in study.evaluations"
    reasons = older_reasons(words)
    assert [one.code for one in reasons] == ["floor", "target", "needs"]
    assert [one.detail for one in reasons] == ["floor", "fpb in study.targets", "gsm8k in study.evaluations"]
    assert told(reasons) == "floor; needs fpb in study.targets; and 1 more"
    assert told(reasons[:2]) == "floor; needs fpb in study.targets" and told([]) == ""
    assert older_reasons("") == []


def test_a_review_reads_a_base_with_other_columns_and_a_record_with_lines_in_its_words() -> None:
    row = verdict("macro", model="m", effect=1.0, verdict="supported")
    assert VerdictRow.model_validate(row | {"why": "floor"}) == VerdictRow.model_validate(row)
    (reason,) = older_reasons("two\nlines")
    assert (reason.code, str(reason)) == ("note", "two\nlines")
