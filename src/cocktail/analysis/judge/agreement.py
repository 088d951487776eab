"""How far the judge and the rules agree, and what the judge makes of each run."""

from __future__ import annotations

from typing import Any

import pandas as pd

Row = dict[str, Any]
READINGS = ("strict", "lenient")


def agreement_rows(verdicts: pd.DataFrame) -> list[Row]:
    """Return one row per model, task and reading of the rules, over distinct answers, shares in points.

    Unreadable verdicts are counted and left out. Cohen's kappa (Cohen 1960) is None where judge and rules
    give one and the same verdict throughout: then chance explains everything and nothing.
    """
    if verdicts.empty:
        return []
    from sklearn.metrics import cohen_kappa_score  # a second that only a judged study pays

    rows = []
    for (model, task), part in verdicts.groupby(["model", "task"], sort=False):
        distinct = part.drop_duplicates("prompt_hash")
        readable = distinct[distinct["verdict"] != "unreadable"]
        judge = readable["verdict"] == "correct"
        for reading in READINGS:
            rules = readable[reading] == "ok"
            varied = len({*judge, *rules}) > 1
            rows.append(
                {
                    "model": model,
                    "task": task,
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


def run_rows(verdicts: pd.DataFrame) -> list[Row]:
    """Return one row per run and task: its accuracy by the judge and by the rules, over all its test rows."""
    return [
        {
            **dict(zip(("model", "stage", "run", "task"), where, strict=True)),
            "n": len(part),
            "unreadable": int((part["verdict"] == "unreadable").sum()),
            "judge": _points(part["verdict"] == "correct"),
            **{reading: _points(part[reading] == "ok") for reading in READINGS},
        }
        for where, part in verdicts.groupby(["model", "stage", "run", "task"], sort=False)
    ]


def _points(right: pd.Series[bool]) -> float | None:
    return round(100 * float(right.mean()), 4) if len(right) else None
