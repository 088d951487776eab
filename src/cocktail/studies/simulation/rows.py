"""One design of ``cocktail simulate``: every truth simulated, every way judged, every bound asked."""

from __future__ import annotations

from statistics import median
from typing import Literal, TypedDict

import numpy as np

from cocktail.analysis.stats.error_control import POWER
from cocktail.claims.verdict import VERDICTS, Verdict
from cocktail.studies.simulation.designs import Design
from cocktail.studies.simulation.generator import simulate
from cocktail.studies.simulation.rates import MARGIN, NO_GAIN, PICKED, ErrorRates, Way, judge_studies

Truth = Literal[
    "no difference", "three points", "five points", "detectable difference", "difference of the margin"
]
BOUND = 0.05  # of false findings
ASKED = 200  # studies whose detectable effect is printed
# What is bounded: where this is the truth, this way must come to this verdict so seldom, or so often.
BOUNDS: dict[tuple[Truth, Way, Verdict], float] = {
    ("no difference", "the rule", "supported"): BOUND,
    ("no difference", "the rule", "contradicted"): BOUND,
    ("detectable difference", "the rule", "supported"): POWER,
    ("difference of the margin", NO_GAIN, "supported"): BOUND,
}
COMPARED: dict[Truth, tuple[Way, ...]] = {
    "no difference": ("the rule", NO_GAIN, "seeds unpaired", "no seed variance", PICKED),
    "three points": ("the rule", "seeds unpaired"),
    "five points": ("the rule", "seeds unpaired"),
    "detectable difference": ("the rule",),
    "difference of the margin": (NO_GAIN,),
}
IN_FULL: tuple[Truth, ...] = ("no difference", "detectable difference")  # the others: half as many studies


class RateRow(TypedDict):
    """How often one way of judging comes to each verdict, of one design and truth.

    Columns:
        tasks, items, clusters, seeds, seed_sd, correlation, over_tasks, collapse, treatment: of the design;
            items and clusters of one task.
        effect: the true one, in points.
        studies: that were simulated.
        shares, errors: by verdict, 0..1, and the Monte-Carlo standard error of each.
        bounds, held: what a share is held to, and whether it holds ("yes", "no", "within error").
    """

    tasks: int
    items: int
    clusters: float
    seeds: int
    seed_sd: float
    correlation: float
    over_tasks: float
    collapse: float
    treatment: str
    truth: Truth
    effect: float
    way: Way
    studies: int
    shares: dict[Verdict, float]
    errors: dict[Verdict, float]
    bounds: dict[Verdict, float]
    held: dict[Verdict, str]


def design_rows(design: Design, num_studies: int, seeds: np.random.SeedSequence) -> list[RateRow]:
    """Judge all truths of one design; the detectable effect is what its null studies print."""
    rng = np.random.default_rng(seeds)
    effects: dict[Truth, float] = {"no difference": 0.0, "three points": 3.0, "five points": 5.0}
    effects["difference of the margin"] = MARGIN
    rows = []
    for truth in COMPARED:
        # Where null studies are many, the costly way is left out.
        ways = tuple(way for way in COMPARED[truth] if way != PICKED or design.null_times == 1)
        null = truth == "no difference"
        num = _num_studies(truth, num_studies, design)
        studies = simulate(design, num_studies=num, effect=effects[truth], rng=rng, explored=PICKED in ways)
        rates = judge_studies(studies, design, ways=ways, ask_detectable=ASKED if null else 0)
        if null:
            effects["detectable difference"] = median(rates.detectable)
        rows += [_row(design, truth, effects[truth], rates, way) for way in ways]
    return rows


def studies_of(design: Design, num_studies: int) -> int:
    """Return how many studies a design takes, all truths together."""
    return sum(_num_studies(truth, num_studies, design) for truth in COMPARED)


def _num_studies(truth: Truth, num_studies: int, design: Design) -> int:
    if truth == "no difference":
        return design.null_times * num_studies
    return num_studies if truth in IN_FULL else -(-num_studies // 2)


def _row(design: Design, truth: Truth, effect: float, rates: ErrorRates, way: Way) -> RateRow:
    shares = rates.shares[way]
    judged = [verdict for verdict in VERDICTS if verdict != "not tested"]
    bounds = {
        verdict: bound
        for (bounded_truth, bounded_way, verdict), bound in BOUNDS.items()
        if (bounded_truth, bounded_way) == (truth, way) and design.headline
    }
    return {
        "tasks": design.tasks,
        "items": design.items,
        "clusters": round(rates.num_clusters / design.tasks, 1),
        "seeds": design.seeds,
        "seed_sd": design.seed_sd,
        "correlation": design.correlation,
        "over_tasks": design.over_tasks,
        "collapse": design.collapse,
        "treatment": "one mixture" if design.one_mixture else "own mixtures",
        "truth": truth,
        "effect": round(effect, 4),
        "way": way,
        "studies": rates.num_studies,
        "shares": {verdict: shares.get(verdict, 0.0) for verdict in judged},
        "errors": {verdict: round(rates.standard_error(way, verdict), 6) for verdict in judged},
        "bounds": bounds,
        "held": {verdict: held(rates, way, verdict, bound) for verdict, bound in bounds.items()},
    }


def held(rates: ErrorRates, way: Way, verdict: Verdict, bound: float) -> str:
    """Return "yes", "no" (beyond two standard errors), or "within error" for a share past its bound.

    The bound of power is a least, all others are a most.
    """
    past = rates.shares[way].get(verdict, 0.0) - bound
    past = -past if bound == POWER else past
    if past <= 0:
        return "yes"
    return "no" if past > 2 * rates.standard_error(way, verdict) else "within error"
