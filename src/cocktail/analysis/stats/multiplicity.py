"""p-values of many tests, adjusted: Holm for a family of verdicts, Benjamini-Hochberg for exploratory cells.

Holm holds the chance of any false verdict in the family, whatever the tests' dependence. Benjamini-Hochberg
holds the expected share of false ones among the cells that are shown as found.
"""

from __future__ import annotations

from collections.abc import Sequence

from statsmodels.stats.multitest import multipletests

from cocktail.errors import RecordError


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the Holm-adjusted p-values, in the order given; of none, none."""
    return _adjusted(p_values, method="holm")


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return the adjusted p-values of the false-discovery rate (q), in the order given; of none, none."""
    return _adjusted(p_values, method="fdr_bh")


def _adjusted(p_values: Sequence[float], *, method: str) -> list[float]:
    wrong = [p for p in p_values if not 0 <= p <= 1]  # NaN is in no range
    if wrong:
        raise RecordError(f"{wrong[0]} is no p-value")
    if not p_values:
        return []
    return [float(p) for p in multipletests(list(p_values), method=method)[1]]
