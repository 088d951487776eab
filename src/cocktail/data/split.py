"""Dev rows by whole clusters, test samples, and rows set aside as filler."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from cocktail.data.table import short_digest


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
