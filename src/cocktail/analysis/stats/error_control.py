"""Both errors of tests: p-values adjusted for their number, and the smallest effect that a design would find.

**False findings.** Holm, for a family of verdicts, holds the chance of any false verdict in it, whatever the
tests' dependence. Benjamini-Hochberg, for exploratory cells, holds the expected share of false ones among the
cells that are shown as found.

**Power**: what "nothing was seen" is worth. A study's standard error and degrees of freedom (seeds and
clusters, :mod:`cocktail.analysis.stats.crossed`) say how large a true effect must be for its two-sided t-test
to find it with the asked power: the noncentral t with these degrees of freedom and noncentrality effect / SE.
Where the design is a paired t-test, this is statsmodels' TTestPower.

But a study's SE is an estimate, of few seeds a poor one, and more often too small than too large; where
it is too small its Satterthwaite degrees of freedom are too many as well. With the SE as it is, the
printed effect was found in 66 to 82 % of simulated studies instead of 80 %. Asking for a nominal power of
90 or 95 % does not mend it: with few degrees of freedom it is not enough (74 and 78 %), with many it
prints effects that are a quarter too large. So the SE is taken at its own upper 80 % limit, SE * sqrt(df
/ chi2), which asks for much where it is known badly and for little where it is known well: then power is
80 % or more in every headline design of ``cocktail simulate``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy import stats
from scipy.optimize import brentq
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import ttest_power

from cocktail.analysis.stats.crossed import Effect
from cocktail.errors import RecordError

POWER = 0.8
LIMIT = 0.8  # the chance that the true SE is not above the limit at which it is taken


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


def smallest_detectable(effect: Effect, *, alpha: float, power: float = POWER) -> float:
    """Return the smallest true effect that is found, with its sign, with probability ``power``.

    Args:
        effect: gives the standard error and degrees of freedom of the design at hand.
        alpha: two-sided level of the test; with Holm over m tests alpha / m is what is sure to suffice.

    Raises:
        RecordError: alpha or power are no probabilities, or power is not above alpha.
    """
    if not 0 < alpha < power < 1:
        raise RecordError(f"alpha {alpha:g} and power {power:g} must obey 0 < alpha < power < 1")
    if effect.se == 0:
        return 0.0
    return upper_se(effect) * _noncentrality(effect.df, alpha=alpha, power=power)


def upper_se(effect: Effect) -> float:
    """Return the upper limit of the true standard error; with infinite degrees of freedom it is known."""
    if math.isinf(effect.df):
        return effect.se
    return effect.se * math.sqrt(effect.df / float(stats.chi2.ppf(1 - LIMIT, effect.df)))


def power_at(effect: Effect, size: float, *, alpha: float) -> float:
    """Return how surely a one-sided test at ``alpha`` / 2 finds a true distance of ``size``."""
    if effect.se == 0:
        return 1.0
    return float(ttest_power(size / effect.se, nobs=1, alpha=alpha / 2, df=effect.df, alternative="larger"))


def _noncentrality(df: float, *, alpha: float, power: float) -> float:
    """Solve for the noncentrality; findings on the wrong side do not count."""

    def lacking(noncentrality: float) -> float:
        # One "observation" makes statsmodels' effect size the noncentrality itself.
        found = ttest_power(noncentrality, nobs=1, alpha=alpha / 2, df=df, alternative="larger")
        return float(found) - power

    upper = 1.0
    while lacking(upper) <= 0:
        upper *= 2
    return float(brentq(lacking, upper / 2 if upper > 1 else 0.0, upper, xtol=1e-9))
