"""Is a difference shown to be small? Two one-sided tests with the crossed standard error.

"Not significant" is no evidence for "no change". Two one-sided t-tests (Schuirmann 1987) are: one against a
loss of the margin or more, one against a gain of the margin or more. The larger p counts. With one item a
cluster and no seed variance this is statsmodels' ``ttost_paired``.
"""

from __future__ import annotations

from dataclasses import dataclass

from scipy import stats

from cocktail.analysis.stats.crossed import Effect
from cocktail.errors import RecordError


@dataclass(frozen=True)
class Equivalence:
    """Both one-sided tests.

    Attributes:
        p: the larger of the two: of a difference of ``margin`` or more, either way.
        p_loss, p_gain: of a loss of ``margin`` or more, of a gain of ``margin`` or more.
        p_beyond: two-sided, of a gain of no more than ``margin``: small where the gain is shown to be larger.
        margin: in the unit of the effect.
    """

    p: float
    p_loss: float
    p_gain: float
    p_beyond: float
    margin: float


def equivalence_test(effect: Effect, *, margin: float) -> Equivalence:
    """Return both one-sided tests of ``effect`` against ``margin``.

    Raises:
        RecordError: the margin is not above zero.
    """
    if not margin > 0:
        raise RecordError(f"an equivalence margin must be above zero, got {margin:g}")
    p_loss = _upper_tail(effect.estimate + margin, effect)
    p_gain = _upper_tail(margin - effect.estimate, effect)
    p_beyond = min(1.0, 2 * _upper_tail(effect.estimate - margin, effect))
    return Equivalence(p=max(p_loss, p_gain), p_loss=p_loss, p_gain=p_gain, p_beyond=p_beyond, margin=margin)


def _upper_tail(distance: float, effect: Effect) -> float:
    """p of a true distance of zero or less; without any variance the distance is exact."""
    if effect.se == 0:
        return 0.0 if distance > 0 else 1.0
    return float(stats.t.sf(distance / effect.se, effect.df))
