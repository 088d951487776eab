"""The design of a recorded study, so that the rule of verdicts is tested at that study's own size."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import mean

from cocktail.errors import RecordError
from cocktail.files.records import read_json
from cocktail.studies.simulation.designs import Design


def recorded_design(record: Path) -> Design:
    """Return items and clusters a task, dev items, seeds, seed SD and tasks of what a study confirmed.

    The seed SD is the root mean square over all confirmed arms, a run's luck on its items included. Tasks of
    different sizes, and of clusters of different sizes, count as equal, of their mean. Not taken from the
    record: the number of candidates, the mean score, how difficult items are, and what runs have in common
    (three seeds do not tell a correlation): nothing, which makes pairing look worse than it is.

    Raises:
        RecordError: there is no such record, or it confirmed nothing with more than one seed.
    """
    arms = [
        row
        for row in read_json(record / "comparison.json")["arms"]
        if row["stage"] == "confirm" and row["n_seeds"] > 1
    ]
    if not arms:
        raise RecordError("no arm was confirmed with more than one seed", where=str(record))
    items = {row["task"]: row["n_items"] for row in arms}
    clusters = {row["task"]: row["n_clusters"] for row in arms}
    return Design(
        items=round(mean(items.values())),
        seeds=min(row["n_seeds"] for row in arms),
        seed_sd=round(100 * math.sqrt(mean(row["seed_sd"] ** 2 for row in arms)), 2),
        tasks=len(items),
        mean_cluster=round(mean(items[task] / clusters[task] for task in items), 2),
        dev_items=read_json(record / "manifest.json")["params"]["prepare"]["dev_rows"],
    )
