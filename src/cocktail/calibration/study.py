"""``cocktail calibrate``: the rule's error rates over several designs, as JSON, table and figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import Progress

from cocktail.calibration.figure import draw_rates
from cocktail.calibration.generator import CANDIDATES, Design, SimulatedStudy, simulate
from cocktail.calibration.rates import CONFIDENCE, MARGIN, Rates, Way, judge_studies
from cocktail.calibration.table import rates_tables
from cocktail.claims.verdict import VERDICTS, Verdict
from cocktail.errors import RecordError
from cocktail.records import fresh_file, write_json
from cocktail.report.pictures import STYLE
from cocktail.report.table import to_markdown
from cocktail.stats.power import POWER

Truth = Literal["no difference", "detectable difference", "difference of the margin"]
Row = dict[str, Any]
DESIGNS = (
    *(Design(items, seeds, sd) for items in (120, 1000) for seeds in (3, 5) for sd in (1.0, 3.0)),
    Design(120, 3, 3.0, tasks=2),
    Design(1000, 5, 1.0, tasks=4),  # the one that is large enough to show equality within the margin
)
BOUND = 0.05  # of false findings
ASKED = 200  # studies whose detectable effect is printed
# What is bounded: where this is the truth, this way must come to this verdict so seldom, or so often.
BOUNDS: dict[tuple[Truth, Way, Verdict], float] = {
    ("no difference", "the rule", "supported"): BOUND,
    ("no difference", "the rule", "contradicted"): BOUND,
    ("detectable difference", "the rule", "supported"): POWER,
    ("difference of the margin", "the rule, equality claimed", "supported"): BOUND,
}
COMPARED: dict[Truth, tuple[Way, ...]] = {
    "no difference": (
        "the rule",
        "the rule, equality claimed",
        "no seed variance",
        "picked on test, one seed",
    ),
    "detectable difference": ("the rule",),
    "difference of the margin": ("the rule, equality claimed",),
}


def calibrate(
    out: Path, *, num_studies: int, seed: int, designs: Sequence[Design] = DESIGNS, study: str = ""
) -> dict[str, Any]:
    """Write calibration.json, table.md, calibration.svg and .png into ``out``; return the JSON.

    Args:
        study: the recorded study that the design is of; "": none.

    Raises:
        RecordError: there are no studies to simulate.
    """
    if num_studies < 1:
        raise RecordError(f"{num_studies} simulated studies tell nothing", fix="--studies 2000")
    named = f" --study {study}" if study else ""
    rows: list[Row] = []
    streams = np.random.default_rng(seed).spawn(len(designs))
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("simulated studies", total=len(designs) * len(COMPARED) * num_studies)
        for design, rng in zip(designs, streams, strict=True):
            rows += _rows(design, num_studies, rng, lambda: bar.advance(task))
    result = {
        "command": f"cocktail calibrate{named} --studies {num_studies} --seed {seed}",
        "seed": seed,
        "studies": num_studies,
        "candidates": CANDIDATES,
        "confidence": CONFIDENCE,
        "margin": MARGIN,
        "rows": rows,
    }
    write_json(out / "calibration.json", result)
    with fresh_file(out / "table.md") as draft:
        draft.write_text("\n".join(map(to_markdown, rates_tables(result))), encoding="utf-8")
    _write_figure(out, result)
    return result


def _rows(design: Design, num_studies: int, rng: np.random.Generator, advance: Any) -> list[Row]:
    """Judge the three truths of one design; the detectable effect is what its null studies print."""
    null = _judged(design, num_studies, 0.0, rng, advance, ask=ASKED)
    detectable = median(null.detectable)
    found = {
        "no difference": (0.0, null),
        "detectable difference": (detectable, _judged(design, num_studies, detectable, rng, advance)),
        "difference of the margin": (MARGIN, _judged(design, num_studies, MARGIN, rng, advance)),
    }
    return [
        _row(design, truth, effect, rates, way)
        for truth, ways in COMPARED.items()
        for effect, rates in [found[truth]]
        for way in ways
    ]


def _judged(
    design: Design, num_studies: int, effect: float, rng: np.random.Generator, advance: Any, *, ask: int = 0
) -> Rates:
    def counted(study: SimulatedStudy) -> SimulatedStudy:
        advance()
        return study

    studies = simulate(design, num_studies=num_studies, effect=effect, rng=rng)
    return judge_studies(map(counted, studies), design, ask_detectable=ask)


def _row(design: Design, truth: Truth, effect: float, rates: Rates, way: Way) -> Row:
    shares = rates.shares[way]
    judged = [verdict for verdict in VERDICTS if verdict != "not tested"]
    bounded = [verdict for verdict in VERDICTS if (truth, way, verdict) in BOUNDS]
    return {
        "tasks": design.tasks,
        "items": design.items,
        "clusters": round(rates.num_clusters / design.tasks, 1),
        "seeds": design.seeds,
        "seed_sd": design.seed_sd,
        "truth": truth,
        "effect": round(effect, 4),
        "way": way,
        "shares": {verdict: shares.get(verdict, 0.0) for verdict in judged},
        "errors": {verdict: round(rates.standard_error(way, verdict), 6) for verdict in judged},
        "bounds": {verdict: BOUNDS[truth, way, verdict] for verdict in bounded},
        "held": {verdict: held(rates, way, verdict, BOUNDS[truth, way, verdict]) for verdict in bounded},
    }


def held(rates: Rates, way: Way, verdict: Verdict, bound: float) -> str:
    """Return "yes", "no" (beyond two standard errors), or "within error" for a share past its bound.

    The bound of power is a least, all others are a most.
    """
    past = rates.shares[way].get(verdict, 0.0) - bound
    past = -past if bound == POWER else past
    if past <= 0:
        return "yes"
    return "no" if past > 2 * rates.standard_error(way, verdict) else "within error"


def _write_figure(out: Path, result: dict[str, Any]) -> None:
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.5, 4.8), layout="constrained")
        draw_rates(figure.subplots(1, 2, sharey=True), result)
        figure.supxlabel(
            f"{result['command']}. Bars: two Monte-Carlo standard errors.", fontsize=7, x=0.01, ha="left"
        )
        for ending in ("svg", "png"):
            with fresh_file(out / f"calibration.{ending}") as draft:
                metadata = {"Date": None} if ending == "svg" else None
                figure.savefig(draft, format=ending, dpi=150, metadata=metadata)
