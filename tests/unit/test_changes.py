"""What a review sees of verdicts: turned over first, then headlines; nothing where nothing changed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from claims_fixture import claim, verdict

from cocktail.claims.rows import Verdicts, read_verdicts
from cocktail.studies.verdict_changes import ABSENT, changes_markdown, verdict_changes

ROOT = Path(__file__).parents[2]


def row(kind: str, *, scope: str = "macro", model: str = "m", **more: Any) -> dict[str, Any]:
    numbers = {"effect": 1.25, "low": -0.5, "high": 3.0} if kind != "not tested" else {"effect": None}
    return verdict(scope, model=model, verdict=kind, **{**numbers, **more})


def claims(**rows: list[dict[str, Any]]) -> Verdicts:
    found = [claim(name, place, name, mine) for place, (name, mine) in enumerate(rows.items())]
    return Verdicts.model_validate({"study": "s", "note": "", "confidence": 0.95, "claims": found})


OLD = claims(
    a=[row("under-powered"), row("supported", scope="fpb")],
    b=[row("supported"), row("under-powered", scope="fpb | x")],
    c=[row("supported")],
)
NEW = claims(
    a=[row("supported"), row("contradicted", scope="fpb")],
    b=[row("supported"), row("not tested", scope="fpb | x")],
    d=[row("not tested")],
)


def test_what_is_turned_over_comes_first_then_headlines() -> None:
    found = [(one.claim, one.scope, one.was, one.now) for one in verdict_changes(OLD, NEW)]
    assert found == [
        ("a", "fpb", "supported", "contradicted"),
        ("a", "macro", "under-powered", "supported"),
        ("c", "macro", "supported", ABSENT),
        ("d", "macro", ABSENT, "not tested"),
        ("b", "fpb | x", "under-powered", "not tested"),
    ]
    assert [one.flipped for one in verdict_changes(OLD, NEW)] == [True, False, False, False, False]
    assert [one.headline for one in verdict_changes(OLD, NEW)] == [False, True, True, True, False]


def test_headlines_are_the_rows_that_are_marked() -> None:
    """Wherever they stand."""
    old, new = (
        claims(a=[row(kind), row("supported" if kind == "contradicted" else kind, scope="fpb")])
        for kind in ("under-powered", "contradicted")
    )
    for verdicts in (old, new):
        verdicts.claims[0].verdicts[:] = [
            one.model_copy(update={"headline": one.scope == "fpb"}) for one in verdicts.claims[0].verdicts
        ]
    assert [(one.scope, one.headline) for one in verdict_changes(old, new)] == [
        ("fpb", True),
        ("macro", False),
    ]


def test_a_number_alone_is_no_change() -> None:
    rows = [row("supported"), row("supported", model="n"), row("supported", model="n", scope="fpb")]
    two = claims(a=rows)
    other = claims(
        a=[row("supported"), row("contradicted", model="n"), row("contradicted", model="n", scope="fpb")]
    )
    assert [one.headline for one in verdict_changes(two, other)] == [True, False]
    larger = [row(kind, control_model="l") for kind in ("contradicted", "supported")]
    against = [claims(a=[row("supported"), one]) for one in larger]
    assert [one.headline for one in verdict_changes(*against)] == [True]
    moved = claims(a=[row("supported", effect=9.0), *rows[1:]])
    assert verdict_changes(two, moved) == []


def test_the_section_reads_well() -> None:
    lines = changes_markdown(OLD, NEW).splitlines()
    assert lines[0] == "### Verdicts: 5 of 5 changed"
    assert lines[3] == "|---|---|---|---|---|---|---|---|"
    assert lines[4] == (
        "| a | m | fpb | strict | supported | **contradicted** | +1.2 [-0.5, +3.0] | +1.2 [-0.5, +3.0] |"
    )
    assert lines[5].startswith("| **a** | m | macro |")
    assert r"fpb \| x" in lines[8] and lines[8].endswith("| – |")
    assert changes_markdown(NEW, NEW) == "### Verdicts: none of 5 changed\n\n"


def test_the_command_compares_two_files(tmp_path: Path) -> None:
    for name, content in (("old.json", OLD), ("new.json", NEW)):
        (tmp_path / name).write_text(content.model_dump_json(), encoding="utf-8")
    done = run(tmp_path / "old.json", tmp_path / "new.json")
    assert (done.returncode, done.stdout) == (0, changes_markdown(OLD, NEW))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "missing"),
        ("{", "JSON"),
        ("[]", "not the verdicts of a study"),
        ('{"claims": [{"id": "a"}]}', "not the verdicts of a study"),
        ('{"claims": [{"id": "a", "verdicts": []}]}', "not the verdicts of a study ("),
    ],
)
def test_a_file_that_is_no_claims_json_is_one_message(tmp_path: Path, text: str | None, words: str) -> None:
    (tmp_path / "new.json").write_text(NEW.model_dump_json(), encoding="utf-8")
    if text is not None:
        (tmp_path / "old.json").write_text(text, encoding="utf-8")
    done = run(tmp_path / "old.json", tmp_path / "new.json")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and words in done.stderr and "Traceback" not in done.stderr


def run(old: Path, new: Path) -> subprocess.CompletedProcess[str]:
    code = "from cocktail.cli import main; main()"
    command = [sys.executable, "-c", code, "verdicts-diff", str(old), str(new)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_review_shows_verdicts_first_also_where_the_base_has_none(tmp_path: Path) -> None:
    text = (ROOT / ".github/workflows/review.yml").read_text(encoding="utf-8")
    assert text.index("cocktail verdicts-diff old_claims.json reports/claims.json") < text.index(
        "dvc metrics diff"
    )
    assert text.index("make packages") < text.index("cocktail verdicts-diff")
    empty = re.search(r"echo '(.*?)' > old_claims\.json", text)
    assert empty
    (tmp_path / "old.json").write_text(empty[1], encoding="utf-8")
    assert all(one.was == ABSENT for one in verdict_changes(read_verdicts(tmp_path / "old.json"), NEW))
