"""A row of claims.json before the family's p-values are adjusted, and as it is written."""

from __future__ import annotations

from dataclasses import dataclass

from cocktail.analysis.rows import points
from cocktail.analysis.scores import Reading
from cocktail.analysis.stats.crossed import Effect
from cocktail.claims.reasons import Reason
from cocktail.claims.rows import VerdictRow
from cocktail.claims.verdict import Finding

MACRO = "macro"
SOME = "at least one task"


@dataclass(frozen=True)
class Draft:
    """One test, done or forbidden.

    Attributes:
        scope: "macro", a task, or the name of a cell.
        control_model: whose runs the control is, if not those of ``model``; the treatment always is.
        headline: whether the row is what the claim says of the model.
        primary: whether the row is in its model's Holm family.
        effect: None where nothing could be computed; shares, not points.
        p: of the claim's own null (for a non-superiority: of a gain of the margin or more); None where it is
            not tested, but for exploratory cells.
        p_adjusted: Holm over the model's primary rows, Benjamini-Hochberg over a table's cells, else None.
        blocked: why nothing is tested; empty: it is.
        notes: what a reader must know beside a verdict, such as "2 of 7 tasks".
        partial: which part of what the claim speaks of was looked at; such a row cannot contradict it.
        finding: the verdict, where it does not follow from ``effect`` alone.
        treatment_collapsed, control_collapsed: runs of either arm below the untuned model, or unreadable.
    """

    model: str
    scope: str
    reading: Reading
    control_model: str = ""
    headline: bool = False
    primary: bool = False
    effect: Effect | None = None
    p: float | None = None
    p_adjusted: float | None = None
    blocked: tuple[Reason, ...] = ()
    notes: tuple[Reason, ...] = ()
    treatment_runs: tuple[str, ...] = ()
    control_runs: tuple[str, ...] = ()
    partial: str = ""
    finding: Finding | None = None
    treatment_collapsed: int = 0
    control_collapsed: int = 0


def row_of(draft: Draft, finding: Finding | None, *, detectable: float | None) -> VerdictRow:
    """Return the row as it stands in claims.json: differences in points, rounded; None: nothing is tested."""
    effect = draft.effect
    why = [finding.reason] if finding and finding.reason else []
    return VerdictRow(
        model=draft.model,
        scope=draft.scope,
        reading=draft.reading,
        headline=draft.headline,
        verdict=finding.verdict if finding else "not tested",
        reasons=list(dict.fromkeys([*(why if finding else draft.blocked), *draft.notes])),
        effect=points(effect.estimate) if effect else None,
        low=points(effect.low) if effect else None,
        high=points(effect.high) if effect else None,
        interval=effect.scope if effect else None,
        p=_p(draft.p),
        p_adjusted=_p(draft.p_adjusted),
        n_items=effect.n_items if effect else None,
        n_clusters=effect.n_clusters if effect else None,
        n_seeds=effect.n_seeds if effect else None,
        detectable=None if detectable is None else points(detectable),
        treatment_model=draft.model,
        treatment_runs=list(draft.treatment_runs),
        control_model=draft.control_model or draft.model,
        control_runs=list(draft.control_runs),
        treatment_collapsed=draft.treatment_collapsed,
        control_collapsed=draft.control_collapsed,
        primary=draft.primary,
    )


def _p(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")  # four digits, also of a tiny p
