"""What a review sees of verdicts: turned over first, then headlines; nothing where nothing changed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cocktail.claims.changes import ABSENT, changes_markdown, verdict_changes

ROOT = Path(__file__).parents[2]


def row(verdict: str, *, scope: str = "macro", model: str = "m", reading: str = "strict") -> dict[str, Any]:
    numbers = {"effect": 1.25, "low": -0.5, "high": 3.0} if verdict != "not tested" else {}
    nothing = {"effect": None, "low": None, "high": None}
    where = {"model": model, "control_model": model}
    return {**where, "scope": scope, "reading": reading, "verdict": verdict, **nothing, **numbers}


def claims(**rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"claims": [{"id": name, "verdicts": found} for name, found in rows.items()]}


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


def test_the_headline_is_the_first_row_of_each_model_and_a_number_alone_is_no_change() -> None:
    two = claims(a=[row("supported"), row("supported", model="n"), row("supported", model="n", scope="fpb")])
    other = claims(
        a=[row("supported"), row("contradicted", model="n"), row("contradicted", model="n", scope="fpb")]
    )
    assert [one.headline for one in verdict_changes(two, other)] == [True, False]
    larger = [row(verdict, scope="macro vs l") for verdict in ("contradicted", "supported")]
    against = [claims(a=[row("supported"), one | {"control_model": "l"}]) for one in larger]
    assert [one.headline for one in verdict_changes(*against)] == [True]
    moved = claims(a=[row("supported") | {"effect": 9.0}, *two["claims"][0]["verdicts"][1:]])
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
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    done = run(tmp_path / "old.json", tmp_path / "new.json")
    assert (done.returncode, done.stdout) == (0, changes_markdown(OLD, NEW))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "missing"),
        ("{", "JSON"),
        ("[]", "no claims.json"),
        ('{"claims": [{"id": "a"}]}', "no claims.json"),
    ],
)
def test_a_file_that_is_no_claims_json_is_one_message(tmp_path: Path, text: str | None, words: str) -> None:
    (tmp_path / "new.json").write_text(json.dumps(NEW), encoding="utf-8")
    if text is not None:
        (tmp_path / "old.json").write_text(text, encoding="utf-8")
    done = run(tmp_path / "old.json", tmp_path / "new.json")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and words in done.stderr and "Traceback" not in done.stderr


def run(old: Path, new: Path) -> subprocess.CompletedProcess[str]:
    code = "from cocktail.cli import main; main()"
    command = [sys.executable, "-c", code, "verdicts-diff", str(old), str(new)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_review_shows_verdicts_first_and_installs_what_they_need() -> None:
    text = (ROOT / ".github/workflows/review.yml").read_text(encoding="utf-8")
    assert text.index("cocktail verdicts-diff old_claims.json reports/claims.json") < text.index(
        "dvc metrics diff"
    )
    assert text.index("make packages") < text.index("cocktail verdicts-diff")
    code = (
        "import sys, cocktail.cli, cocktail.claims.changes as changes\n"
        "changes.changes_markdown({'claims': []}, {'claims': []})\n"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"pydantic", "yaml", "scipy", "statsmodels", "torch", "pandas", "rich", "jinja2"}
    assert heavy & set(done.stdout.split()) == {"pandas"}
    empty = re.search(r"echo '(.*?)' > old_claims\.json", text)
    assert empty and all(one.was == ABSENT for one in verdict_changes(json.loads(empty[1]), NEW))
