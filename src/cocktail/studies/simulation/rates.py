"""How often the project's rule, and the ways that it replaces, come to each verdict in simulated studies."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cocktail.analysis.stats.crossed import Effect, TaskOutcomes, crossed_macro, effect_of_parts
from cocktail.analysis.stats.error_control import smallest_detectable
from cocktail.claims.verdict import Verdict, find
from cocktail.studies.simulation.designs import Design
from cocktail.studies.simulation.generator import SINGLE, SimulatedStudy

Way = Literal[
    "the rule", "the rule, no gain claimed", "seeds unpaired", "no seed variance", "picked on test, one seed"
]
NO_GAIN: Way = "the rule, no gain claimed"
PICKED: Way = "picked on test, one seed"
MARGIN, CONFIDENCE = 2.0, 0.95  # points; those of the claims unless they say otherwise


@dataclass(frozen=True)
class ErrorRates:
    """Shares of verdicts, and the printed detectable effects (points) of the studies that were asked."""

    shares: Mapping[Way, Mapping[Verdict, float]]
    num_studies: int
    detectable: tuple[float, ...]
    num_clusters: float

    def standard_error(self, way: Way, verdict: Verdict) -> float:
        """Return the Monte-Carlo standard error of a share; of none or all, that of one study."""
        share = self.shares[way].get(verdict, 0.0)
        bounded = min(max(share, 1 / self.num_studies), 1 - 1 / self.num_studies)
        return math.sqrt(bounded * (1 - bounded) / self.num_studies)


def judge_studies(
    studies: Iterable[SimulatedStudy], design: Design, *, ways: Sequence[Way], ask_detectable: int = 0
) -> ErrorRates:
    """Judge every study in each way; print the detectable effect of the first ``ask_detectable``."""
    counts: dict[Way, Counter[Verdict]] = {way: Counter() for way in ways}
    detectable: list[float] = []
    num_studies, num_clusters = 0, 0
    for study in studies:
        effects: dict[Way, Effect] = {}
        for way in ways:
            looked_at: Way = "the rule" if way == NO_GAIN else way  # of one effect, another question
            if looked_at not in effects:
                effects[looked_at] = effect_of(study, design, looked_at)
            counts[way][_verdict(effects[looked_at], way)] += 1
        if num_studies < ask_detectable:
            detectable.append(100 * smallest_detectable(effects["the rule"], alpha=1 - CONFIDENCE))
        num_studies += 1
        num_clusters += next(iter(effects.values())).n_clusters
    shares = {
        way: {verdict: n / num_studies for verdict, n in found.items()} for way, found in counts.items()
    }
    return ErrorRates(shares, num_studies, tuple(detectable), num_clusters / num_studies)


def effect_of(study: SimulatedStudy, design: Design, way: Way) -> Effect:
    """Return the effect that a way looks at: the project's, and three that it is held against.

    "seeds unpaired" is the rule's first edition: an arm's part is the variance over seeds of its mean over
    the tasks. "no seed variance" takes the same runs for the only ones there could be; "picked on test, one
    seed" is each task's best explored mixture on test against the explored single, as if it had been the
    only one.
    """
    if way == "seeds unpaired":
        return _unpaired(study)
    arms = (study.treatment, study.control)
    if way == "no seed variance":
        arms = (study.treatment.mean(axis=1, keepdims=True), study.control.mean(axis=1, keepdims=True))
    if way == PICKED:
        best = study.explored[:, :SINGLE].mean(axis=2).argmax(axis=1)
        picked = np.take_along_axis(study.explored, best[:, None, None], axis=1)
        arms = (picked, study.explored[:, SINGLE:])
    # Ids where the treatment's runs answer all tasks; of runs of one task there are none to tell.
    runs = [f"all-s{seed}" for seed in range(design.seeds)] if design.one_mixture else []
    tasks = [TaskOutcomes(*both, treatment_runs=runs) for both in zip(*arms, study.clusters, strict=True)]
    return crossed_macro(tasks, confidence=CONFIDENCE)


def _unpaired(study: SimulatedStudy) -> Effect:
    arms = [np.asarray(arm, dtype=np.float64) for arm in (study.treatment, study.control)]
    by_seed = [arm.mean(axis=(0, 2)) for arm in arms]
    num_seeds = len(by_seed[0])
    parts = [(float(means.var(ddof=1)) / num_seeds, num_seeds - 1) for means in by_seed]
    values = list(arms[0].mean(axis=1) - arms[1].mean(axis=1))
    clusters = list(study.clusters)
    return effect_of_parts(values, clusters, parts, num_seeds=num_seeds, confidence=CONFIDENCE)


def _verdict(effect: Effect, way: Way) -> Verdict:
    low, high, no_gain = 100 * effect.low, 100 * effect.high, way == NO_GAIN
    return find(low, high, margin=MARGIN, confidence=CONFIDENCE, non_superiority=no_gain).verdict
