"""Effect plots: each effect with its interval and margin on one axis of points.

Places are shares of the width in percent, so that the plot fits a phone without shrinking its text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator

from cocktail.page.claims import Claim, Verdict

ROW, AXIS = 46, 30  # heights in px
_INSET = 2.0  # percent at either side: a mark at the end of the axis stays whole


@dataclass(frozen=True)
class Mark:
    """One row of the plot; places in percent of the width, None where there is no interval or margin."""

    label: str
    shown: str
    verdict: str
    effect: float
    interval: tuple[float, float] | None
    margin: tuple[float, float] | None
    top: int


@dataclass(frozen=True)
class Forest:
    """A plot of several effects.

    Attributes:
        ticks: place in percent and text of each tick.
        left_out: how many rows have no effect and so no mark.
    """

    marks: tuple[Mark, ...]
    ticks: tuple[tuple[float, str], ...]
    zero: float
    height: int
    left_out: int
    description: str


def draw_forest(rows: Sequence[tuple[str, Verdict, float | None]]) -> Forest | None:
    """Return the plot of (label, verdict, margin); None where no row has an effect."""
    measured = [(label, row, margin) for label, row, margin in rows if row.effect is not None]
    if not measured:
        return None
    ends = [0.0]
    for _, row, margin in measured:
        ends += [end for end in (row.effect, row.low, row.high) if end is not None]
        ends += [margin, -margin] if margin else []
    ticks = MaxNLocator(nbins=6, steps=[1, 2, 5, 10]).tick_values(min(ends), max(ends))
    low, high = float(ticks[0]), float(ticks[-1])

    def place(points: float) -> float:
        return round(_INSET + (100 - 2 * _INSET) * (points - low) / (high - low), 2)

    marks = tuple(
        Mark(
            label=label,
            shown=effect_text(row),
            verdict=row.verdict,
            effect=place(row.effect or 0.0),
            interval=(place(row.low), place(row.high))
            if row.low is not None and row.high is not None
            else None,
            margin=(place(-margin), place(margin)) if margin else None,
            top=ROW * number,
        )
        for number, (label, row, margin) in enumerate(measured)
    )
    return Forest(
        marks=marks,
        ticks=tuple((place(float(tick)), f"{tick:g}".replace("-", "−")) for tick in ticks),
        zero=place(0.0),
        height=ROW * len(marks) + AXIS,
        left_out=len(rows) - len(measured),
        description="; ".join(f"{mark.label}: {mark.shown}, {mark.verdict}" for mark in marks),
    )


def claim_forest(claim: Claim) -> Forest | None:
    """Return the plot of all rows of one claim."""
    return draw_forest([(row_label(row), row, claim.margin) for row in claim.verdicts])


def headline_forest(claims: Sequence[Claim]) -> Forest | None:
    """Return the plot of the first row of every claim."""
    return draw_forest([(claim.title, claim.verdicts[0], claim.margin) for claim in claims])


def row_label(row: Verdict) -> str:
    """Return what a row of a claim is about."""
    return f"{row.scope}, {row.reading} ({row.model})"


def effect_text(row: Verdict) -> str:
    """Return effect and interval in points, as the report's tables write them."""
    if row.effect is None:
        return "–"
    text = f"{row.effect:+.1f}"
    if row.low is not None and row.high is not None:
        text += f" [{row.low:+.1f}, {row.high:+.1f}]"
    return text.replace("-", "−")
