"""The record of advice: how well the model ranks, and what its pick costs, on mixtures it never saw.

Candidates are the leave-one-out and all runs that contain the target (where the target is a source: that
its own rows help needs no advice). The model picks the candidate that it predicts to be best; its regret is
held against two rules that need no model: always all sources, always the single task. A pick among equal
candidates beats a rule every other time by chance, so the ranking must also be better than chance; of many
targets some are so by luck, so where many are looked at their p-values are adjusted together. Where no
candidate beats a blind guess there is nothing to rank.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from cocktail.analysis.advice.gain import GainModel, Sources, fit_gain
from cocktail.errors import RecordError

LEVEL = 0.05  # of the one-sided test that the ranking is no better than chance
MIN_CANDIDATES = 4  # the ranks of three can all be right by chance once in six times


@dataclass(frozen=True)
class HeldOut:
    """What the model said of mixtures that it never saw, and how these came out on test.

    Attributes:
        candidates: their sources; ``predicted`` and ``measured`` are in the same order.
        spearman, kendall: rank correlations over the candidates; None where one side is constant.
        p: one-sided, of a ranking no better than chance (Kendall); 1 where there is none.
        p_adjusted: the same, adjusted over the targets that were looked at; None where it is not.
        floor: whether neither the single nor a candidate beats a blind guess.
        pick: the candidate with the highest prediction.
        single: the mixture of the rule "always single": the target alone; for a target that is no source,
            the single with the highest fitted score.
        regret, regret_all, regret_single: test score of the best (single included) minus that of the pick, of
            all sources, of the single.
    """

    model: GainModel
    candidates: tuple[Sources, ...]
    predicted: tuple[float, ...]
    measured: tuple[float, ...]
    spearman: float | None
    kendall: float | None
    p: float
    pick: Sources
    single: Sources
    regret: float
    regret_all: float
    regret_single: float
    floor: bool
    p_adjusted: float | None = None

    @property
    def objections(self) -> list[str]:
        """Why the model may not advise; none: it may."""
        found = ["floor: nothing here beats a blind guess"] if self.floor else []
        p = self.p if self.p_adjusted is None else self.p_adjusted
        if p > LEVEL:
            how = "p" if self.p_adjusted is None else "adjusted p"
            found.append(f"ranking not shown to be better than chance ({how} = {p:.2f})")
        if not self.regret < self.regret_all:
            found.append("does not beat always-all")
        if not self.regret < self.regret_single:
            found.append("does not beat always-single")
        return found

    @property
    def verdict(self) -> str:
        """ "advises", or the objections."""
        return "; ".join(self.objections) or "advises"


def held_out_record(
    fitted: Mapping[Sources, float],
    test: Mapping[Sources, float],
    tasks: Sequence[str],
    *,
    target: str,
    above_guess: Collection[Sources],
) -> HeldOut:
    """Fit on ``fitted``, predict the candidates, and compare with ``test``.

    Args:
        fitted: scores (on dev where there are dev rows) of base, singles and pairs.
        test: test scores of singles, leave-one-out and all.
        above_guess: the sources of the runs that beat a blind guess on test.

    Raises:
        RecordError: runs are missing, or there are too few candidates.
    """
    model = fit_gain(fitted, tasks, target=target)
    every = tuple(tasks)
    candidates = [
        sources for sources in test if len(sources) > 2 and (target not in tasks or target in sources)
    ]
    if every not in candidates or len(candidates) < MIN_CANDIDATES:
        raise RecordError(
            f"advice on {target} is tested on leave-one-out runs and all: {len(candidates)} of these have "
            f"scores, {MIN_CANDIDATES} with all among them are needed",
            fix="explore them: study.include=[single,pair,without,all]",
        )
    predicted = [round(model.predict(sources), 6) for sources in candidates]  # ties are ties on any CPU
    measured = [test[sources] for sources in candidates]
    pick = candidates[int(np.argmax(predicted))]
    single = always_single(fitted, tasks, target=target)
    best = max(*measured, test[single])
    spearman, kendall, p = _rank_correlation(predicted, measured)
    return HeldOut(
        model=model,
        candidates=tuple(candidates),
        predicted=tuple(predicted),
        measured=tuple(measured),
        spearman=spearman,
        kendall=kendall,
        p=p,
        pick=pick,
        single=single,
        regret=best - test[pick],
        regret_all=best - test[every],
        regret_single=best - test[single],
        floor=not any(sources in above_guess for sources in (single, *candidates)),
    )


def always_single(fitted: Mapping[Sources, float], tasks: Sequence[str], *, target: str) -> Sources:
    """Return what the rule "always single" trains: the target, or the single with the best fitted score."""
    return (target,) if target in tasks else max(((task,) for task in tasks), key=lambda one: fitted[one])


def _rank_correlation(
    predicted: Sequence[float], measured: Sequence[float]
) -> tuple[float | None, float | None, float]:
    if len(set(predicted)) == 1 or len(set(measured)) == 1:
        return None, None, 1.0
    spearman = float(stats.spearmanr(predicted, measured).statistic)
    kendall = stats.kendalltau(predicted, measured, alternative="greater")
    return spearman, float(kendall.statistic), float(kendall.pvalue)
