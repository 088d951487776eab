"""Cleaning: named rules, each counted.

Rows that are trained on lose empty answers, conflicting labels and repeats. Test rows only lose empty
answers, which nothing could be scored against: what stands in a test set is the benchmark's choice.
"""

from __future__ import annotations

import pandas as pd

from cocktail.tasks import Task

QUESTION = ["instruction", "input"]


def clean_train(rows: pd.DataFrame, task: Task) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return the rows to train on, and how many each rule took.

    Equal questions with unequal answers all go where there is one right answer (labels, numbers, choices);
    free answers may differ. Of equal questions with equal answers the first stays.
    """
    rows, counts = drop_empty(rows)
    conflicts = pd.Series(data=False, index=rows.index)
    if task.kind != "free" and len(rows):
        conflicts = rows.groupby(QUESTION, sort=False)["gold"].transform("nunique") > 1
    counts["conflicting_labels"] = int(conflicts.sum())
    rows = rows[~conflicts]
    repeats = rows.duplicated([*QUESTION, "gold"])
    counts["duplicates"] = int(repeats.sum())
    return rows[~repeats], counts


def drop_long(rows: pd.DataFrame, longest: int) -> pd.DataFrame:
    """Return the rows of at most ``longest`` characters, instruction, input and answer together."""
    kept = rows[[*QUESTION, "answer"]].map(len).sum(axis=1) <= longest
    return rows.loc[kept]


def drop_empty(rows: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return the rows that have an answer, and how many have none."""
    empty = rows["gold"] == ""
    return rows[~empty], {"empty_answer": int(empty.sum())}
