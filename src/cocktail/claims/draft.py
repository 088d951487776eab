"""A row of claims.json before the family's p-values are adjusted, and as it is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cocktail.analysis.rows import points
from cocktail.analysis.scores import Reading
from cocktail.analysis.stats.crossed import Effect
from cocktail.claims.rows import VerdictRow
from cocktail.claims.verdict import Finding

MACRO = "macro"
SOME = "at least one task"
MANY = 2  # reasons that are told in full
VERSUS = " vs "  # in a scope, before the larger untuned model that the control is


@dataclass(frozen=True)
class Draft:
    """One test, done or forbidden.

    Attributes:
        scope: "macro", a task, or the name of a cell; "macro vs LARGER" against another model.
        primary: whether the row is in its model's Holm family.
        effect: None where nothing could be computed; shares, not points.
        p: of the claim's own null (for a non-superiority: of a gain of the margin or more); None where it is
            not tested, but for exploratory cells.
        p_adjusted: Holm over the model's primary rows, Benjamini-Hochberg over a table's cells, else None.
        blocked: why nothing is tested; empty: it is.
        note: what a reader must know beside a verdict, such as "2 of 7 tasks".
        partial: which part of what the claim speaks of was looked at; such a row cannot contradict it.
        finding: the verdict, where it does not follow from ``effect`` alone.
        treatment_collapsed, control_collapsed: runs of either arm below the untuned model, or unreadable.
    """

    model: str
    scope: str
    reading: Reading
    primary: bool = False
    effect: Effect | None = None
    p: float | None = None
    p_adjusted: float | None = None
    blocked: str = ""
    note: str = ""
    treatment_runs: tuple[str, ...] = ()
    control_runs: tuple[str, ...] = ()
    partial: str = ""
    finding: Finding | None = None
    treatment_collapsed: int = 0
    control_collapsed: int = 0

    @property
    def control_model(self) -> str:
        """Whose runs the control is; the treatment is always of the model that is judged."""
        return self.scope.partition(VERSUS)[2] or self.model


def row_of(draft: Draft, finding: Finding, *, detectable: float | None) -> VerdictRow:
    """Return the row as it stands in claims.json: differences in points, rounded."""
    effect = draft.effect
    reasons = dict.fromkeys(filter(None, (finding.reason, draft.note)))
    return {
        "model": draft.model,
        "scope": draft.scope,
        "reading": draft.reading,
        "verdict": finding.verdict,
        "reason": "; ".join(reasons),
        "effect": points(effect.estimate) if effect else None,
        "low": points(effect.low) if effect else None,
        "high": points(effect.high) if effect else None,
        "interval": effect.scope if effect else None,
        "p": _p(draft.p),
        "p_adjusted": _p(draft.p_adjusted),
        "n_items": effect.n_items if effect else None,
        "n_clusters": effect.n_clusters if effect else None,
        "n_seeds": effect.n_seeds if effect else None,
        "detectable": None if detectable is None else points(detectable),
        "treatment_model": draft.model,
        "treatment_runs": list(draft.treatment_runs),
        "control_model": draft.control_model,
        "control_runs": list(draft.control_runs),
        "treatment_collapsed": draft.treatment_collapsed,
        "control_collapsed": draft.control_collapsed,
        "primary": draft.primary,
    }


def _p(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")  # four digits, also of a tiny p


def joined_reasons(reasons: Iterable[str]) -> str:
    """Return why none of several tasks is tested, each reason once, the first few in full.

    What scores forbid (floor, ceiling, format) comes before what the study lacks ("needs ...").
    """
    distinct = sorted(dict.fromkeys(reasons), key=lambda reason: reason.startswith("needs"))
    more = [f"and {len(distinct) - MANY} more"] if len(distinct) > MANY else []
    return "; ".join([*distinct[:MANY], *more])
