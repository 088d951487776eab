"""The designs of studies on which the rule of verdicts is tried: made up, or of a recorded study's size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import mean

from cocktail.errors import RecordError
from cocktail.files.records import read_json

DROP = 10.0  # points that a collapsed run loses


@dataclass(frozen=True)
class Design:
    """The size of a study, and what its runs have in common.

    Attributes:
        items: test items of each task.
        seeds: fresh seeds of each arm.
        seed_sd: of a run's mean score over seeds, in points (to first order).
        tasks: each with a mixture of its own, picked among its own candidates, and a single of its own.
        mean_cluster: items of a cluster; sizes are geometric.
        dev_items: of each task, on which its mixture is picked.
        correlation: between the seed noise of the treatment's and the control's run of one task and seed.
        over_tasks: between the seed noise of the treatment's runs of one seed on different tasks.
        collapse: share of the treatment's runs that lose DROP points; expectations stay what they were.
        one_mixture: the treatment's runs answer all tasks, as "all" does, and nothing is picked.
        null_times: times as many null studies as of other designs: where the rate is near its bound.
    """

    items: int
    seeds: int
    seed_sd: float
    tasks: int = 1
    mean_cluster: float = 2.0
    dev_items: int = 150
    correlation: float = 0.0
    over_tasks: float = 0.0
    collapse: float = 0.0
    one_mixture: bool = False
    null_times: int = 1

    @property
    def headline(self) -> bool:
        """Whether false findings are bounded: a single task with skew is only printed, with its rate."""
        return self.tasks > 1 or not self.collapse


ITEMS, SEED_SD = 500, 3.0
DESIGNS = (
    # Size and pairing.
    *(
        Design(ITEMS, seeds, SEED_SD, tasks=tasks, correlation=correlation)
        for tasks, seeds, correlation in product((1, 3, 7), (3, 5), (0.0, 0.4))
    ),
    # Seeds that are good or bad at every task.
    *(
        Design(ITEMS, seeds, SEED_SD, tasks=tasks, correlation=correlation, over_tasks=0.3)
        for tasks, seeds, correlation in product((3, 7), (3, 5), (0.0, 0.4))
    ),
    # One mixture for all tasks: its runs answer all of them and are not paired.
    *(
        Design(ITEMS, seeds, SEED_SD, tasks=tasks, over_tasks=1.0, one_mixture=True)
        for tasks, seeds in product((3, 7), (3, 5))
    ),
    Design(ITEMS, 3, SEED_SD, tasks=7, correlation=0.4, over_tasks=0.6, one_mixture=True),
    # One run in five collapses, the control is stable, and many items hide nothing of it.
    *(
        Design(1000, seeds, 0.5, tasks=tasks, collapse=0.2, null_times=4 if tasks == 3 else 1)
        for tasks, seeds in product((1, 3, 7), (3, 5))
    ),
    # Small and large tasks.
    Design(120, 3, SEED_SD),
    Design(120, 3, SEED_SD, tasks=2),
    Design(1000, 3, SEED_SD),
    Design(1000, 3, 1.0),
    Design(1000, 5, 1.0, tasks=4),
)


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
