"""How far the judge and the rules agree, and what the judge makes of each run."""

from __future__ import annotations

from typing import TypedDict

import pandas as pd

from cocktail.analysis.rows import points

READINGS = ("strict", "lenient")


class JudgeAgreementRow(TypedDict):
    """Judge and rules on one task, by one reading of the rules.

    Columns:
        rows: test rows; answers: distinct ones; unreadable: of these, verdicts that are neither.
        rules, judge, agree: answers held right by either, and judged alike, in points of the readable ones.
        kappa: Cohen's.
    """

    model: str
    task: str
    reading: str
    rows: int
    answers: int
    unreadable: int
    rules: float | None
    judge: float | None
    agree: float | None
    kappa: float | None


class JudgedRunRow(TypedDict):
    """A run's accuracy on a task in points, by the judge and by both readings of the rules; n: test rows."""

    model: str
    stage: str
    run: str
    task: str
    n: int
    unreadable: int
    judge: float | None
    strict: float | None
    lenient: float | None


def agreement_rows(verdicts: pd.DataFrame) -> list[JudgeAgreementRow]:
    """Return one row per model, task and reading of the rules, over distinct answers, shares in points.

    Unreadable verdicts are counted and left out. Cohen's kappa (Cohen 1960) is None where judge and rules
    give one and the same verdict throughout: then chance explains everything and nothing.
    """
    if verdicts.empty:
        return []
    from sklearn.metrics import cohen_kappa_score  # a second that only a judged study pays

    rows: list[JudgeAgreementRow] = []
    for (model, task), part in verdicts.groupby(["model", "task"], sort=False):
        distinct = part.drop_duplicates("prompt_hash")
        readable = distinct[distinct["verdict"] != "unreadable"]
        judge = readable["verdict"] == "correct"
        for reading in READINGS:
            rules = readable[reading] == "ok"
            varied = len({*judge, *rules}) > 1
            rows.append(
                {
                    "model": str(model),
                    "task": str(task),
                    "reading": reading,
                    "rows": len(part),
                    "answers": len(distinct),
                    "unreadable": len(distinct) - len(readable),
                    "rules": _points(rules),
                    "judge": _points(judge),
                    "agree": _points(rules == judge),
                    "kappa": round(float(cohen_kappa_score(rules, judge)), 4) if varied else None,
                }
            )
    return rows


def run_rows(verdicts: pd.DataFrame) -> list[JudgedRunRow]:
    """Return one row per run and task: its accuracy by the judge and by the rules, over all its test rows."""
    return [
        {
            "model": str(model),
            "stage": str(stage),
            "run": str(run),
            "task": str(task),
            "n": len(part),
            "unreadable": int((part["verdict"] == "unreadable").sum()),
            "judge": _points(part["verdict"] == "correct"),
            "strict": _points(part["strict"] == "ok"),
            "lenient": _points(part["lenient"] == "ok"),
        }
        for (model, stage, run, task), part in verdicts.groupby(["model", "stage", "run", "task"], sort=False)
    ]


def _points(right: pd.Series[bool]) -> float | None:
    return points(float(right.mean())) if len(right) else None
