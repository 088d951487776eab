"""How often the project's own rule comes to each verdict in simulated studies."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cocktail.calibration.generator import CANDIDATES, SINGLE, Design, SimulatedStudy
from cocktail.claims.verdict import Verdict, find
from cocktail.stats.crossed import Effect, TaskOutcomes, crossed_effect, crossed_macro
from cocktail.stats.power import smallest_detectable

Way = Literal["the rule", "the rule, equality claimed", "no seed variance", "picked on test, one seed"]
MARGIN, CONFIDENCE = 2.0, 0.95  # points; those of the claims unless they say otherwise


@dataclass(frozen=True)
class Rates:
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


def judge_studies(studies: Iterable[SimulatedStudy], design: Design, *, ask_detectable: int = 0) -> Rates:
    """Judge every study in each way; print the detectable effect of the first ``ask_detectable``."""
    counts: dict[Way, Counter[Verdict]] = {}
    detectable: list[float] = []
    num_studies, num_clusters = 0, 0
    for study in studies:
        effects = effects_of(study, design)
        for way, effect in effects.items():
            counts.setdefault(way, Counter())[_verdict(effect, way)] += 1
        if num_studies < ask_detectable:
            detectable.append(100 * smallest_detectable(effects["the rule"], alpha=1 - CONFIDENCE))
        num_studies += 1
        num_clusters += effects["the rule"].n_clusters
    shares = {
        way: {verdict: n / num_studies for verdict, n in found.items()} for way, found in counts.items()
    }
    return Rates(shares, num_studies, tuple(detectable), num_clusters / num_studies)


def effects_of(study: SimulatedStudy, design: Design) -> dict[Way, Effect]:
    """Return the effect that each way looks at: the project's, and two that it is held against.

    "no seed variance" takes the same runs for the only ones there could be; "picked on test, one seed" is
    the best of all explored mixtures on test against the explored single, as if it had been the only one.
    """
    rule = crossed_macro(
        [
            TaskOutcomes(study.treatment[:, part], study.control[:, part], study.clusters[part])
            for part in _parts(design)
        ],
        confidence=CONFIDENCE,
    )
    mean, single_mean = (arm.mean(axis=0)[None] for arm in (study.treatment, study.control))
    best = int(study.explored[:CANDIDATES].mean(axis=1).argmax())
    picked, single = study.explored[best], study.explored[SINGLE]
    return {
        "the rule": rule,
        "the rule, equality claimed": rule,
        "no seed variance": crossed_effect(mean, single_mean, study.clusters, confidence=CONFIDENCE),
        "picked on test, one seed": crossed_effect(
            picked[None], single[None], study.clusters, confidence=CONFIDENCE
        ),
    }


def _parts(design: Design) -> Sequence[slice]:
    return [slice(task * design.items, (task + 1) * design.items) for task in range(design.tasks)]


def _verdict(effect: Effect, way: Way) -> Verdict:
    found = find(
        100 * effect.low,
        100 * effect.high,
        margin=MARGIN,
        confidence=CONFIDENCE,
        non_superiority=way == "the rule, equality claimed",
    )
    return found.verdict
