"""Effects by a second road, which shares no code with the rule: statsmodels, and a pigeonhole bootstrap.

Both start from the long table of answers. What is paired is told by the runs' names: ``<recipe>-s<seed>``.

The two-way clustered regression (Cameron, Gelbach and Miller 2011) takes the variance by seeds, adds
that by clusters of items, and takes off that by both, which the first two hold twice. The pigeonhole
bootstrap (Owen 2007) draws seeds and clusters at once and holds the common part three times. The rule does
neither and holds it twice: in expectation it lies between them.
"""

from __future__ import annotations

from typing import TypedDict

import numpy as np
import pandas as pd
import statsmodels.api as sm
from numpy.typing import NDArray

Array = NDArray[np.float64]
TREATMENT, CONTROL = "treatment", "control"
DRAWS = 2000  # a bootstrapped standard error is known to 1 / sqrt(2 * 2000) = 1.6 %


class SecondRoad(TypedDict):
    """The mean over tasks of treatment minus control, and its standard errors, in the unit of the outcomes.

    Columns:
        second: the estimate.
        summed: standard error of the seeds' and the clusters' variance, nothing taken off.
        two_way: the same, with the part that both hold taken off.
        pigeonhole: by bootstrap of seeds and clusters at once.
    """

    second: float
    summed: float
    two_way: float
    pigeonhole: float


def second_road(answers: pd.DataFrame) -> SecondRoad:
    """Return the effect of one contrast.

    Args:
        answers: one row an answer: task, arm ("treatment" or "control"), run, cluster, ok (0 or 1).
    """
    named = _with_blocks(answers)
    estimate, summed, two_way = _regression(named)
    pigeonhole = _pigeonhole(named, np.random.default_rng(0))
    return {"second": estimate, "summed": summed, "two_way": two_way, "pigeonhole": pigeonhole}


def _with_blocks(answers: pd.DataFrame) -> pd.DataFrame:
    """Add what is drawn together: a task's seed where both of its runs answer that task only, else a run."""
    # Of its own on purpose: this second way to an effect shares no code with the first.
    parts = answers["run"].str.extract(r"^(?P<recipe>.+?)(?:-s(?P<seed>\d+))?$")
    named = answers.assign(recipe=parts["recipe"], seed=parts["seed"])
    of_run = named.groupby("run")["task"].nunique()
    shared = named["run"].map(of_run > 1)
    unseeded = named["seed"].isna()
    alone = ~(shared | unseeded).groupby(named["task"]).transform("any")
    pool = named["task"].where(
        alone, named["arm"] + "/" + named["recipe"] + "/" + named["task"].mask(shared, "")
    )
    block = pool + "/" + named["seed"].fillna("given")
    return named.assign(pool=pool, block=block)


def _regression(named: pd.DataFrame) -> tuple[float, float, float]:
    """Regress the outcome on arm and task, all interacted; the effect is the mean of the tasks' arm terms."""
    cells = pd.get_dummies(named["task"], dtype=float)
    treated = (named["arm"] == TREATMENT).to_numpy(dtype=float)
    design = np.hstack([cells.to_numpy(), cells.to_numpy() * treated[:, None]])
    contrast = np.repeat([0.0, 1 / cells.shape[1]], cells.shape[1])
    model = sm.OLS(named["ok"].to_numpy(dtype=float), design)
    seeds, clusters = (pd.factorize(named[name])[0].astype(np.int64) for name in ("block", "cluster"))

    def variance(groups: NDArray[np.int64]) -> float:
        kwds = {"groups": groups, "use_correction": False}
        covariance = model.fit(cov_type="cluster", cov_kwds=kwds).cov_params()
        return float(contrast @ covariance @ contrast)

    both = seeds * (clusters.max() + 1) + clusters
    # As many draws as an arm has runs, and as there are clusters: G / (G - 1) of each.
    num_seeds = int(named.groupby(["task", "arm"])["run"].nunique().max())
    num_clusters = int(clusters.max()) + 1
    by_seed = variance(seeds) * num_seeds / (num_seeds - 1)
    by_cluster = variance(clusters) * num_clusters / (num_clusters - 1)
    estimate = float(contrast @ model.fit().params)
    summed = by_seed + by_cluster
    # Where all answers of a task are the same, rounding may leave less than nothing.
    return estimate, max(summed, 0.0) ** 0.5, max(summed - variance(both), 0.0) ** 0.5


def _pigeonhole(named: pd.DataFrame, rng: np.random.Generator) -> float:
    """Draw S - 1 of S seeds and G - 1 of G clusters, with replacement: unbiased for both variances."""
    clusters, ids = pd.factorize(named["cluster"])
    numbered = named.assign(cluster=clusters)
    weights = _draws(len(ids), rng)
    blocks = {
        block: drawn
        for _, mine in numbered.groupby("pool")["block"]
        for block, drawn in zip(mine.unique(), _draws(mine.nunique(), rng).T, strict=True)
    }
    means = {cell: _weighted_means(mine, weights, blocks) for cell, mine in numbered.groupby(["task", "arm"])}
    tasks = numbered["task"].unique()
    drawn = [means[task, TREATMENT] - means[task, CONTROL] for task in tasks]
    return float(np.mean(drawn, axis=0).std(ddof=1))


def _draws(num: int, rng: np.random.Generator) -> Array:
    """How often each of ``num`` units is drawn, shape (DRAWS, num); a single one always is."""
    if num == 1:
        return np.ones((DRAWS, 1))
    return rng.multinomial(num - 1, np.full(num, 1 / num), size=DRAWS).astype(float)


def _weighted_means(mine: pd.DataFrame, weights: Array, blocks: dict[str, Array]) -> Array:
    """The weighted mean outcome of one arm on one task in each draw."""
    sums = mine.pivot_table(index="block", columns="cluster", values="ok", aggfunc=["sum", "size"])
    by_run = np.stack([blocks[block] for block in sums.index], axis=1)
    by_cluster = weights[:, sums["sum"].columns.to_numpy()]
    total, size = (
        ((by_run @ sums[name].fillna(0).to_numpy(dtype=float)) * by_cluster).sum(axis=1)
        for name in ("sum", "size")
    )
    found: Array = total / size
    return found
