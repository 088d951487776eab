"""Verdicts in a terminal, as somebody reads them; effects and tables as text have one form everywhere."""

from __future__ import annotations

import io
from typing import Any

import pytest
from claims_fixture import claim, made_up_claims, verdict
from rich.console import Console

from cocktail.claims.rows import Verdicts
from cocktail.errors import RecordError
from cocktail.files.text import pipe_table, with_interval
from cocktail.report.terminal import print_task, print_verdicts

TASKS = ("fpb", "finqa", "headline")


def shown(content: dict[str, Any], claim: str = "", width: int = 140) -> list[str]:
    out = io.StringIO()
    print_verdicts(Verdicts.model_validate(content), Console(file=out, width=width), claim=claim)
    return out.getvalue().splitlines()


def test_each_headline_has_a_line_with_what_decides_it() -> None:
    lines = shown(made_up_claims("smoke", "m", TASKS))
    assert lines[0] == "Study smoke. Tier miniature; rule 1; not locked (older than locks)."
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
    content = {"study": "s", "note": "[/x] [pair]", "confidence": 0.95}
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
    untested = verdict("fpb", model="m", effect=None, verdict="not tested", reason="few seeds")
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
