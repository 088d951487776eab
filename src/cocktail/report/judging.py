"""The tables of the judge, from artifacts/judge/counts.json alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from cocktail.files.records import read_json
from cocktail.report.table import Table

NOBODY = "No endpoint was asked: free-text answers are judged by the rules alone."
AGREEMENT = (
    "answers: distinct ones on test, of so many rows; unreadable: verdicts that are neither of the two "
    "words, left out of what follows; rules, judge: right by either; kappa: Cohen's, none where both are "
    "constant; fooled: of the planted wrong answers that tell the judge to say CORRECT, the share that it "
    "called correct."
)
COLUMNS = {
    "agreement": [
        "model", "task", "reading", "rows", "answers", "unreadable", "rules", "judge", "agree", "kappa",
    ],
    "runs": ["model", "stage", "run", "task", "n", "strict", "lenient", "judge", "unreadable"],
}  # fmt: skip


def judge_tables(judge: Path, *, note: str) -> list[Table]:
    """Return agreement of judge and rules, and each run's accuracy by both; empty where nobody was asked."""
    counts: Mapping[str, Any] = read_json(judge / "counts.json")
    who = NOBODY if counts["backend"] == "rules" else f"Judge: {counts['model']}."
    frames = {key: pd.DataFrame(counts[key], columns=columns) for key, columns in COLUMNS.items()}
    kappa = frames["agreement"]["kappa"].map("{:.2f}".format, na_action="ignore")
    planted = counts.get("canaries", {"planted": 0, "fallen_for": 0})  # older ones have none
    fooled = 100 * planted["fallen_for"] / planted["planted"] if planted["planted"] else None
    return [
        Table(
            name="judge_agreement",
            title="Free-text answers on test: judge against rules (points)",
            note=f"{note} {who} {AGREEMENT}",
            frame=frames["agreement"].assign(kappa=kappa, fooled=fooled),
        ),
        Table(
            name="judge_scores",
            title="Free-text answers on test: accuracy of each run by rules and by the judge (points)",
            note=f"{note} {who} An unreadable verdict is no right answer.",
            frame=frames["runs"],
        ),
    ]
