"""Tables of our numbers beside those of others: a judge's verdicts on free text, and published results.

The judge's are from artifacts/judge/counts.json alone. Published numbers are typed by hand in
data/reference/published.yaml, each with its source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import Field, ValidationError

from cocktail.config import ConfigSection
from cocktail.config.yaml_files import read_yaml
from cocktail.errors import DataError
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
ARMS = {"base": "untuned", "single": "single", "chosen": "chosen mixture", "all": "all"}
OTHERS = (
    "Theirs are of other models, prompts and readings of answers, one run each, and partly of other splits: "
    "for orientation, not a comparison. all: one model for several tasks; theirs is of six data sets. "
    "Where ours are generated, rebuilt or partial, only the name is the same."
)


def judge_tables(judge: Path, *, note: str) -> list[Table]:
    """Return agreement of judge and rules, and each run's accuracy by both; empty where nobody was asked."""
    counts: Mapping[str, Any] = read_json(judge / "counts.json")
    who = NOBODY if counts["backend"] == "rules" else f"Judge: {counts['model']}."
    frames = {key: pd.DataFrame(counts[key], columns=columns) for key, columns in COLUMNS.items()}
    kappa = frames["agreement"]["kappa"].map("{:.2f}".format, na_action="ignore")
    planted = counts["canaries"]
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


class Published(ConfigSection):
    """One published number, in points, with the place where it can be looked up."""

    task: str
    arm: Literal["base", "single", "chosen", "all"]
    model: str
    metric: str
    value: float = Field(ge=0, le=100)
    source: str = Field(min_length=10)


def read_published(path: Path) -> list[Published]:
    """Return the published numbers.

    Raises:
        ConfigError: the file is missing, or is not YAML.
        DataError: a row lacks something, its source above all.
    """
    found = read_yaml(path, missing="the published numbers are missing")
    try:
        return [Published.model_validate(row) for row in found["rows"]]
    except (KeyError, TypeError, ValidationError) as error:
        raise DataError(
            f"not a list of published numbers ({' '.join(str(error).split())})", where=str(path)
        ) from None


def published_table(arms: pd.DataFrame, published: Sequence[Published], *, note: str) -> Table:
    """Our accuracy beside what others published of the same task: one row for each model of theirs.

    Args:
        arms: the reported arms, accuracies in points.
    """
    rows = []
    for (model, task), part in arms.groupby(["model", "task"], sort=False):
        ours = dict(zip(part["arm"], part["accuracy_strict"], strict=True))
        same = [one for one in published if one.task == task]
        for told in dict.fromkeys((one.model, one.metric, one.source) for one in same):
            theirs: dict[str, float] = {
                one.arm: one.value for one in same if (one.model, one.metric, one.source) == told
            }
            mine, other = ([found.get(arm) for arm in ARMS] for found in (ours, theirs))
            rows.append([model, task, *mine, told[0], *other, *told[1:]])
    columns = ["model", "task", *(f"ours: {title}" for title in ARMS.values()), "their model"]
    columns += [*(f"theirs: {title}" for title in ARMS.values()), "metric", "source"]
    title = (
        "Published numbers on the sets that our tasks are named after, beside ours (accuracy on test, points)"
    )
    return Table("published", title, f"{note} {OTHERS}", pd.DataFrame(rows, columns=columns))
