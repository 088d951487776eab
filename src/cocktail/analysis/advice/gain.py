"""What each source gives to a target: an additive model, fitted on base, singles and pairs.

    score(S) = base + sum of a_s over the sources s in S + sum of c_s over s in S beside the target

``a_s`` is what a source gives by itself; ``c_s`` what it gives more, or less, once the target's own rows are
there. So for mixtures with the target a source is worth what its pair has over the single (pairwise
transfer), and all 1 + n + n (n - 1) / 2 runs settle the rest by least squares. For a target that is no source
there is no ``c_s``. There is no penalty, as none could be chosen: each ``c_s`` stands on one pair, and
leaving that pair out leaves nothing to tell it from zero. Three sources together are never seen: that gains
add up is what the held-out record (``advice.heldout``) puts to the test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression

from cocktail.data.grid import mixtures
from cocktail.errors import RecordError

Sources = tuple[str, ...]  # in the order of the study's tasks; () is the untuned base


@dataclass(frozen=True)
class GainModel:
    """A fitted model; scores and gains in the unit of the fitted scores.

    Attributes:
        target: the task whose score is predicted; it need not be a source.
        base: predicted score without any source.
        alone: a_s of each source.
        beside: c_s of each source but the target; empty where the target is no source.
    """

    target: str
    base: float
    alone: Mapping[str, float]
    beside: Mapping[str, float]

    def predict(self, sources: Sequence[str]) -> float:
        """Return the predicted score of a mixture."""
        with_target = self.target in sources
        more = sum(self.beside.get(source, 0.0) for source in sources) if with_target else 0.0
        return self.base + sum(self.alone[source] for source in sources) + more

    def gains(self) -> dict[str, float]:
        """Return what each source adds to a mixture that has the target, where that is a source."""
        return {
            source: value + self.beside.get(source, 0.0)
            for source, value in self.alone.items()
            if source != self.target
        }


def fitting_sets(tasks: Sequence[str]) -> list[Sources]:
    """Return what the model is fitted on: no source, each source, each pair."""
    return [(), *((task,) for task in tasks), *combinations(tasks, 2)]


def fit_gain(scores: Mapping[Sources, float], tasks: Sequence[str], *, target: str) -> GainModel:
    """Fit the model on the scores of base, singles and pairs; other scores are not looked at.

    Raises:
        RecordError: a run that the model is fitted on has no score; the message names all of them.
    """
    sets = fitting_sets(tasks)
    missing = [run_name(sources, tasks) for sources in sets if sources not in scores]
    if missing:
        raise RecordError(
            f"advice on {target} needs runs that have no scores: {', '.join(missing)}",
            fix="explore them: study.include=[single,pair,without,all]",
        )
    features = np.array([feature_row(sources, tasks, target) for sources in sets])
    values = np.array([scores[sources] for sources in sets])
    line = LinearRegression().fit(features, values)
    weights = [float(weight) for weight in line.coef_]
    return GainModel(
        target=target,
        base=float(line.intercept_),
        alone=dict(zip(tasks, weights[: len(tasks)], strict=True)),
        beside=dict(zip(partners_of(tasks, target), weights[len(tasks) :], strict=True)),
    )


def run_name(sources: Sources, tasks: Sequence[str]) -> str:
    """Return the id of the run with these sources."""
    return next(run for run, (_, known) in mixtures(tasks).items() if known == sources) if sources else "base"


def partners_of(tasks: Sequence[str], target: str) -> list[str]:
    """Return the sources beside the target: all others; none for a target that is no source."""
    return [task for task in tasks if task != target] if target in tasks else []


def feature_row(sources: Sources, tasks: Sequence[str], target: str) -> NDArray[np.float64]:
    """Return the columns of the model for a set of sources: one a task, then one a partner of the target."""
    alone = [task in sources for task in tasks]
    beside = [target in sources and partner in sources for partner in partners_of(tasks, target)]
    return np.array([*alone, *beside], dtype=np.float64)
