"""Which rows a task keeps, and where: cleaning by named rules, dev by whole clusters, samples, filler.

Each rule of cleaning is counted. Rows that are trained on lose empty answers, conflicting labels and repeats.
Test rows only lose empty answers, which nothing could be scored against: what stands in a test set is the
benchmark's choice.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from cocktail.data.table import short_digest
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


def shuffled_clusters(rows: pd.DataFrame, *, seed: int) -> list[str]:
    """Return the clusters in an order that the seed and the clusters' names set.

    The order is that of digests, not of a generator: two tasks that share pages then pick the same ones,
    and one more raw row leaves the order of the others as it was.
    """
    return sorted(rows["cluster"].unique(), key=lambda cluster: short_digest(f"{seed}:{cluster}"))


def pick_dev(pool: pd.DataFrame, *, at_most: int, seed: int) -> pd.DataFrame:
    """Return at most ``at_most`` rows in whole clusters; each cluster that still fits is taken."""
    sizes = pool["cluster"].value_counts()
    left, taken = at_most, []
    for cluster in shuffled_clusters(pool, seed=seed):
        if sizes[cluster] <= left:
            taken.append(cluster)
            left -= int(sizes[cluster])
    return pool[pool["cluster"].isin(taken)]


def without_clusters(rows: pd.DataFrame, clusters: Collection[str]) -> pd.DataFrame:
    """Return the rows that are in none of the clusters."""
    return rows[~rows["cluster"].isin(list(clusters))]


def sample_test(rows: pd.DataFrame, *, at_most: int | None, seed: int) -> pd.DataFrame:
    """Return a sample of the test rows in their own order; all of them for None."""
    if at_most is None or at_most >= len(rows):
        return rows
    chosen = np.random.default_rng(seed).choice(len(rows), size=at_most, replace=False)
    return rows.iloc[np.sort(chosen)]


def set_aside_filler(rows: pd.DataFrame, *, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split general rows into (general, filler), half of the clusters each; filler rows are renamed."""
    clusters = shuffled_clusters(rows, seed=seed)
    aside = rows["cluster"].isin(clusters[: len(clusters) // 2])
    filler = rows[aside].copy()
    filler["item"] = "filler" + filler["item"].str.slice(len("open_orca"))
    filler["task"] = "filler"
    return rows[~aside], filler
