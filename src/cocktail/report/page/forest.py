"""Effect plots: each effect with its interval and margin on one axis of points.

Places are shares of the width in percent, so that the plot fits a phone without shrinking its text.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from matplotlib.ticker import MaxNLocator

from cocktail.claims.rows import ClaimVerdicts, Said, VerdictRow
from cocktail.report.verdicts import effect_text

LINE, ROW, AXIS = 16, 30, 30  # heights in px: a line of the label, the rest of a row, the axis
LABEL = 44  # characters of a label's line: what the narrowest phones hold
_INSET = 2.0  # percent at either side: a mark at the end of the axis stays whole


@dataclass(frozen=True)
class Mark:
    """One row of the plot; places in percent of the width, None where there is no interval or margin.

    Attributes:
        lines: the label, broken to fit a phone.
        top, middle: of the row and of its interval, in px from the top of the plot.
    """

    label: str
    lines: tuple[str, ...]
    shown: str
    verdict: str
    effect: float
    interval: tuple[float, float] | None
    margin: tuple[float, float] | None
    top: int
    middle: int


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


def draw_forest(rows: Sequence[tuple[str, VerdictRow, float | None]]) -> Forest | None:
    """Return the plot of (label, verdict, margin); None where no row has an effect."""
    measured = [one for one in rows if one[1].effect is not None]
    if not measured:
        return None
    axis = _Axis([0.0, *_ends(measured)])
    labels = [tuple(textwrap.wrap(label, LABEL)) for label, _, _ in measured]
    *tops, bottom = accumulate((ROW + LINE * len(lines) for lines in labels), initial=0)
    marks = tuple(
        Mark(
            label=label,
            lines=lines,
            shown=effect_text(row),
            verdict=row.verdict,
            effect=axis.place(row.effect or 0.0),
            interval=axis.span(row.low, row.high),
            margin=axis.span(-margin, margin) if margin else None,
            top=top,
            middle=top + LINE * len(lines) + ROW // 2,
        )
        for (label, row, margin), lines, top in zip(measured, labels, tops, strict=True)
    )
    return Forest(
        marks=marks,
        ticks=tuple((axis.place(tick), f"{tick:g}".replace("-", "−")) for tick in axis.ticks),
        zero=axis.place(0.0),
        height=bottom + AXIS,
        left_out=len(rows) - len(measured),
        description="; ".join(f"{mark.label}: {mark.shown}, {mark.verdict}" for mark in marks),
    )


class _Axis:
    """From points to percent of the width, between round numbers that hold all ``ends``."""

    def __init__(self, ends: Sequence[float]) -> None:
        found = MaxNLocator(nbins=6, steps=[1, 2, 5, 10]).tick_values(min(ends), max(ends))
        self.ticks = [float(tick) for tick in found]

    def place(self, points: float) -> float:
        low, high = self.ticks[0], self.ticks[-1]
        return round(_INSET + (100 - 2 * _INSET) * (points - low) / (high - low), 2)

    def span(self, low: float | None, high: float | None) -> tuple[float, float] | None:
        return None if low is None or high is None else (self.place(low), self.place(high))


def _ends(rows: Sequence[tuple[str, VerdictRow, float | None]]) -> Iterator[float]:
    for _, row, margin in rows:
        yield from (end for end in (row.effect, row.low, row.high) if end is not None)
        if margin:
            yield from (-margin, margin)


def claim_forest(claim: ClaimVerdicts) -> Forest | None:
    """Return the plot of all rows of one claim."""
    return draw_forest([(row_label(row), row, claim.margin) for row in claim.verdicts])


def rows_forest(rows: Sequence[Said]) -> Forest | None:
    """Return the plot of rows of several claims, by the titles of these."""
    several = len({row.model for _, row in rows if row.effect is not None}) > 1
    return draw_forest([(_title(claim, row, several=several), row, claim.margin) for claim, row in rows])


def _title(claim: ClaimVerdicts, row: VerdictRow, *, several: bool) -> str:
    named = [row.model] if several else []
    named += [f"vs {row.control_model}"] if row.control_model != row.model else []
    return f"{claim.title} ({' '.join(named)})" if named else claim.title


def row_label(row: VerdictRow) -> str:
    """Return what a row of a claim is about."""
    return f"{row.on}, {row.reading} ({row.model})"
