"""The floor: whether anything that was explored does a task better than a blind guess.

A task is out of reach only if neither its single, nor a tuned try, nor any mixture with it beats the better
blind guess; a task that a mixture alone lifts is the very case that the paper is about. It is asked once, on
dev, before anything is confirmed, and everything that speaks of a floor reads the answer. Where so many runs
are looked at, the best of them beats a guess by luck; so each is tested at ``LEVEL`` over their number.
General sets have no dev rows: there the explored runs' test answers are asked, which no claim compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cocktail.analysis.stats.crossed import crossed_mean
from cocktail.scoring.answers import Evaluation

LEVEL = 0.05  # one-sided, over all runs of a task together


@dataclass(frozen=True)
class Floor:
    """What explored runs say of one task.

    Attributes:
        live: whether one of them beats a blind guess.
        split: whose answers were looked at.
        guess: strict accuracy of the better blind guess there, 0..1.
        runs: how many were looked at.
        best: the one with the highest lower bound, and that bound: at ``LEVEL`` over their number.
    """

    live: bool
    split: Literal["dev", "test"]
    guess: float
    runs: int
    best: str
    best_low: float


def guess_share(evaluation: Evaluation, split: str = "test") -> float:
    """Return the strict accuracy of the better blind guess: the commonest answer, or chance."""
    gold = evaluation.gold[evaluation.gold["split"] == split]["gold"]
    commonest = float(gold.value_counts(normalize=True).max())
    return max(commonest, 1 / len(evaluation.labels)) if evaluation.labels else commonest


def beats_guess(
    outcomes: NDArray[np.float64], clusters: NDArray[np.str_], *, guess: float, confidence: float
) -> list[bool]:
    """Return of each run whether it is better than a blind guess; outcomes of shape (runs, items).

    It is where the interval of its score, these weights on items like these, lies above the guess: at chance
    a score scatters around it, and is as often above as below.
    """
    return [crossed_mean(run[None], clusters, confidence=confidence).low > guess for run in outcomes]


def find_floor(items: Mapping[str, pd.DataFrame], evaluation: Evaluation) -> Floor:
    """Return whether one of some explored runs beats a blind guess on a task.

    Args:
        items: of each run that counts its scored items on the task (columns split, cluster, strict).
    """
    split: Literal["dev", "test"] = "dev" if (evaluation.gold["split"] == "dev").any() else "test"
    guess, confidence = guess_share(evaluation, split), 1 - 2 * LEVEL / max(len(items), 1)
    lows = {run: _low(rows[rows["split"] == split], confidence) for run, rows in items.items()}
    best = max(lows, key=lambda run: lows[run], default="")
    low = lows.get(best, 0.0)
    return Floor(low > guess, split, round(guess, 6), len(items), best, round(low, 6))


def _low(rows: pd.DataFrame, confidence: float) -> float:
    """The lower bound of a run's score; of one cluster nothing is known."""
    if rows["cluster"].nunique() < 2:
        return 0.0
    right = (rows["strict"] == "ok").to_numpy(dtype=np.float64)
    return crossed_mean(right[None], rows["cluster"].to_numpy(), confidence=confidence).low
