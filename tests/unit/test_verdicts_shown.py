"""Verdicts in a terminal, as somebody reads them; effects and tables as text have one form everywhere.

What a review sees of verdicts: turned over first, then headlines; nothing where nothing changed.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from claims_fixture import STANDING, claim, made_up_claims, reason, verdict
from rich.console import Console

from cocktail.claims.rows import Verdicts, read_verdicts
from cocktail.errors import RecordError
from cocktail.files.text import pipe_table, with_interval
from cocktail.report.terminal import print_task, print_verdicts
from cocktail.studies.verdict_changes import ABSENT, changes_markdown, verdict_changes

TASKS = ("fpb", "finqa", "headline")


def shown(content: dict[str, Any], claim: str = "", width: int = 140) -> list[str]:
    out = io.StringIO()
    print_verdicts(Verdicts.model_validate(content), Console(file=out, width=width), claim=claim)
    return out.getvalue().splitlines()


def test_each_headline_has_a_line_with_what_decides_it() -> None:
    lines = shown(made_up_claims("smoke", "m", TASKS))
    assert lines[0] == "Study smoke. Tier miniature; rule 2; not locked (made up)."
    (line,) = (line for line in lines if "Made up, contradicted" in line)
    assert line.strip().split("  ")[0] == "2. Made up, contradicted"
    assert "−12.0 [−15.2, −8.8]" in line and "0.012" in line and "120 / 60 / 3" in line
    (line,) = (line for line in lines if "Made up, not tested" in line)
    assert line.split()[-3:] == ["not", "tested", "seeds"]
    assert not any("lenient" in line for line in lines)


@pytest.mark.parametrize("name", ["made_up_many", "6"])
def test_every_row_of_a_claim_is_shown(name: str) -> None:
    content = made_up_claims("smoke", "m", TASKS)
    lines = shown(content, name)
    rows = content["claims"][-1]["verdicts"]
    assert len([line for line in lines if "under-powered" in line]) == len(rows) == 12
    assert "fpb + finqa, lenient, m" in "\n".join(lines)
    assert lines[-1].startswith("Margin 2 points. Contradicted by: An interval")


def test_models_and_tasks_are_named_where_there_are_several() -> None:
    rows = [
        verdict("macro", model=model, effect=1.0, verdict="under-powered", control_model=control)
        for model, control in (("m", "large"), ("m", "larger"), ("[bold]n", "large"))
    ]
    one = claim("a", 1, "A", [verdict("fpb", model="m", effect=1.0, verdict="under-powered")])
    content = {**STANDING, "study": "s", "note": "[/x] [pair]", "confidence": 0.95}
    text = "\n".join(shown({**content, "claims": [claim("b", 2, "B", rows), one]}))
    assert "2. B (macro vs large, m)" in text and "2. B (macro vs large, [bold]n)" in text
    assert "1. A (fpb)" in text
    assert "[/x] [pair]" in text  # no marks of the terminal


@pytest.mark.parametrize(("width", "whole"), [(80, False), (109, False), (110, True)])
def test_a_narrow_terminal_does_without_p_and_n(width: int, whole: bool) -> None:
    text = "\n".join(shown(made_up_claims("smoke", "m", TASKS), width=width))
    assert all((word in text) == whole for word in ("adj. p", "120 / 60 / 3", "; n: items"))
    assert "−12.0 [−15.2, −8.8]" in text and "not tested" in text and "seeds" in text


def told(content: dict[str, Any], task: str) -> list[str]:
    out = io.StringIO()
    print_task(Verdicts.model_validate(content), Console(file=out, width=140), task=task)
    return out.getvalue().splitlines()


def test_a_task_is_shown_by_its_rows_what_was_tested_first() -> None:
    content = made_up_claims("smoke", "m", TASKS)
    untested = verdict(
        "fpb", model="m", effect=None, verdict="not tested", reasons=[reason("seeds", "few seeds")]
    )
    content["claims"].insert(0, claim("no", 9, "Without a test", [untested]))
    rows = [row for one in content["claims"] for row in one["verdicts"]]
    mine = [row for row in rows if (row["scope"], row["reading"]) == ("fpb", "strict")]
    lines = told(content, "fpb")
    body = [line for line in lines if line.strip()[:2].rstrip(".").isdigit()]
    assert len(body) == len(mine) > 1
    assert "Without a test" in body[-1] and "few seeds" in body[-1]
    assert not any("(m)" in line or "against" in line for line in body)
    assert lines[-1].endswith("n: items / clusters / seeds.")


def test_models_are_named_where_there_are_several() -> None:
    content = made_up_claims("smoke", "m", TASKS)
    other = verdict("fpb", model="n", effect=1.0, verdict="under-powered", control_model="large")
    content["claims"].append(claim("no", 9, "Other", [other]))
    text = "\n".join(told(content, "fpb"))
    assert "9. Other, against large (n)" in text and " (m) " in text


@pytest.mark.parametrize("task", ["fbp", "macro", "fpb + finqa"])
def test_a_task_without_rows_is_refused(task: str) -> None:
    with pytest.raises(RecordError, match=r"no claim is about task .*(did you mean 'f|known: )"):
        told(made_up_claims("smoke", "m", TASKS), task)


def test_a_claim_that_is_not_there_is_named_with_its_neighbour() -> None:
    with pytest.raises(RecordError, match="no claim 'made_up_man'; did you mean 'made_up_many'"):
        shown(made_up_claims("smoke", "m", TASKS), "made_up_man")


def test_an_effect_stands_with_its_interval() -> None:
    assert with_interval(1.25, -0.5, 3.0) == "+1.2 [−0.5, +3.0]"
    assert with_interval(-1.0, -2.0, 0.0, minus="-") == "-1.0 [-2.0, +0.0]"
    assert with_interval(2.0) == "+2.0"
    assert with_interval(2.0, 1.0, 3.0, about="these weights") == "+2.0 [+1.0, +3.0] (these weights)"
    assert with_interval(2.0, 1.0, 3.0, about="training") == "+2.0 [+1.0, +3.0]"
    assert [with_interval(None), with_interval(None, missing="")] == ["–", ""]


def test_a_table_is_lines_of_cells() -> None:
    assert list(pipe_table(["a", "b"], [["1|2", "3"]])) == ["| a | b |", "| --- | --- |", "| 1\\|2 | 3 |"]
    assert list(pipe_table(["a", "b"], [], rule="---")) == ["| a | b |", "|---|---|"]
    assert list(pipe_table(["a"], [["b"]], cell=str.upper))[::2] == ["| A |", "| B |"]


ROOT = Path(__file__).parents[2]


def row(kind: str, *, scope: str = "macro", model: str = "m", **more: Any) -> dict[str, Any]:
    numbers = {"effect": 1.25, "low": -0.5, "high": 3.0} if kind != "not tested" else {"effect": None}
    return verdict(scope, model=model, verdict=kind, **{**numbers, **more})


def claims(**rows: list[dict[str, Any]]) -> Verdicts:
    found = [claim(name, place, name, mine) for place, (name, mine) in enumerate(rows.items())]
    content = {**STANDING, "study": "s", "note": "", "confidence": 0.95, "claims": found}
    return Verdicts.model_validate(content)


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
