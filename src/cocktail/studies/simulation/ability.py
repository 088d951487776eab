"""What a run is able to on the logit scale, and the mean score that comes of it.

Ability has no closed relation to the mean score; :func:`ability_for` inverts it numerically.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from scipy import optimize, stats

ACCURACY = 0.65  # mean score of the single, and of every mixture where there is no difference
ITEM, CLUSTER = 1.0, 0.7  # standard deviations on the logit scale
RECIPE_ITEM, RECIPE_CLUSTER, RUN_CLUSTER = 0.5, 0.3, 0.4
SEED_FREEDOM = 3


@cache
def ability_for(accuracy: float, seed_sd: float) -> float:
    """Return the ability whose mean score over items and seeds is ``accuracy`` (0..1)."""
    return float(optimize.brentq(lambda ability: _mean_score(ability, seed_sd) - accuracy, -8, 8))


@cache
def seed_scale(seed_sd: float) -> float:
    """Return the scale of t-distributed noise of an ability that moves mean scores by ``seed_sd`` points."""
    ability = ability_for(ACCURACY, 0.0)
    slope = (_mean_score(ability + 0.01, 0.0) - _mean_score(ability - 0.01, 0.0)) / 0.02
    return seed_sd / 100 / slope / math.sqrt(SEED_FREEDOM / (SEED_FREEDOM - 2))


def _mean_score(ability: float, seed_sd: float) -> float:
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    spread = math.sqrt(ITEM**2 + CLUSTER**2 + RECIPE_ITEM**2 + RECIPE_CLUSTER**2 + RUN_CLUSTER**2)
    seeds = np.zeros(1)
    if seed_sd:
        seeds = seed_scale(seed_sd) * stats.t.ppf((np.arange(999) + 0.5) / 999, SEED_FREEDOM)
    chances = 1 / (1 + np.exp(-(ability + seeds[:, None] + spread * nodes)))
    return float((chances @ weights).mean() / weights.sum())
