"""The advice of ``cocktail.analysis.advice`` on a study's evaluated tasks, as rows of the report.

Not on general sets, which pairs are not asked. All others are looked at, so the p-values of a model's
rankings are adjusted together (Holm).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cocktail.analysis.advice.curve import Curve, advice_curve, mean_curve, random_orders
from cocktail.analysis.advice.gain import Sources, fitting_sets, run_name
from cocktail.analysis.advice.heldout import LEVEL, HeldOut, held_out_record
from cocktail.analysis.advice.scores import TargetScores
from cocktail.analysis.advice.show import advice_row
from cocktail.analysis.floor import beats_guess, guess_share
from cocktail.analysis.rows import AdviceCurveRow, AdviceRow
from cocktail.analysis.scores import ModelScores
from cocktail.analysis.stats.error_control import holm
from cocktail.config import Params, general_tasks
from cocktail.errors import RecordError
from cocktail.scoring.answers import Evaluation


def advice_rows(
    scores: ModelScores, evaluations: Mapping[str, Evaluation], *, params: Params
) -> list[AdviceRow]:
    """Return one row per evaluated task but general sets; where runs are missing the verdict says which.

    None if the model is untuned.
    """
    tasks, found = params.study.tasks, _found(scores, evaluations, params)
    records = {task: _record(mine, tasks, task) for task, mine in found.items()}
    held_out = {task: record for task, record in records.items() if isinstance(record, HeldOut)}
    adjusted = holm([record.p for record in held_out.values()])
    records |= {
        task: replace(record, p_adjusted=p)
        for (task, record), p in zip(held_out.items(), adjusted, strict=True)
    }
    return [_row(records[task], mine, tasks, task) for task, mine in found.items()]


def advice_curve_rows(
    scores: ModelScores, evaluations: Mapping[str, Evaluation], *, params: Params
) -> list[AdviceCurveRow]:
    """Return one row per task whose advice can be tested, behind their mean over tasks that are not at floor.

    None where no task has the runs for that, and of an untuned model.
    """
    tasks, found = params.study.tasks, _found(scores, evaluations, params)
    found = {task: one for task, one in found.items() if isinstance(_record(one, tasks, task), HeldOut)}
    orders = random_orders(tasks, np.random.default_rng(params.study.seed))
    curves = {task: advice_curve(one, tasks, target=task, orders=orders) for task, one in found.items()}
    live = [task for task in curves if not scores.at_floor(task)]
    rows = [
        _curve_row(curve, tasks, live=task in live, model=scores.model, task=task, split=found[task].split)
        for task, curve in curves.items()
    ]
    if not live:
        return rows
    split = ", ".join(sorted({found[task].split for task in live}))
    mean = mean_curve([curves[task] for task in live])
    return [_curve_row(mean, tasks, live=True, model=scores.model, task="mean", split=split), *rows]


def _curve_row(
    curve: Curve, tasks: Sequence[str], *, live: bool, model: str, task: str, split: str
) -> AdviceCurveRow:
    low, high = np.quantile(curve.random, [0.1, 0.9], axis=0)
    return AdviceCurveRow(
        model=model,
        task=task,
        live=live,
        fitted_on=split,
        picked=_rounded(curve.picked),
        orders=len(curve.random),
        random=_rounded(curve.random.mean(axis=0)),
        low=_rounded(low),
        high=_rounded(high),
        always_all=round(curve.always_all, 4),
        always_single=round(curve.always_single, 4),
        best_fitted=round(curve.best_fitted, 4),
        order=[run_name(one, tasks) for one in curve.order],
        advised=[run_name(one, tasks) for one in curve.advised],
    )


def _rounded(values: NDArray[np.float64]) -> list[float]:
    return [round(float(value), 4) for value in values]


def _found(
    scores: ModelScores, evaluations: Mapping[str, Evaluation], params: Params
) -> dict[str, TargetScores]:
    """The scores of every evaluated task but general sets; none of an untuned model."""
    if params.model(scores.model).untuned:
        return {}
    return {
        task: _scores(scores, params.study.tasks, task, evaluations[task])
        for task in params.study.evaluations
        if task not in general_tasks()
    }


def _record(found: TargetScores, tasks: Sequence[str], task: str) -> HeldOut | RecordError:
    try:
        return held_out_record(found.fitted, found.test, tasks, target=task, above_guess=found.above_guess)
    except RecordError as error:
        return error


def _row(record: HeldOut | RecordError, found: TargetScores, tasks: Sequence[str], task: str) -> AdviceRow:
    if isinstance(record, HeldOut):
        return advice_row(record, tasks, split=found.split, model=found.model)
    return AdviceRow(
        model=found.model,
        task=task,
        fitted_on=found.split,
        candidates=0,
        spearman=None,
        kendall=None,
        p=None,
        p_adjusted=None,
        pick="",
        regret=None,
        regret_all=None,
        single="",
        regret_single=None,
        verdict=f"not tested: {record.what}",
    )


def _scores(scores: ModelScores, tasks: Sequence[str], task: str, evaluation: Evaluation) -> TargetScores:
    """The scores of base and mixtures, in points; fitted on dev where the task has dev rows."""
    asked = set(scores.asked("explore", task))
    mixed = [run for run in scores.explored if run.kind not in ("shots", "tuned")]
    runs = {run.sources: run.id for run in mixed if run.id in asked}
    found = scores.outcomes("explore", list(runs.values()), task, "strict")
    above = beats_guess(found.values, found.clusters, guess=guess_share(evaluation), confidence=1 - LEVEL)
    test = _points({sources: scores.value("explore", run, task) for sources, run in runs.items()})
    dev = _points({sources: scores.dev.get((run, task)) for sources, run in runs.items()})
    has_dev = any(sources in dev for sources in fitting_sets(tasks))
    return TargetScores(
        fitted=dev if has_dev else test,
        test=test,
        model=scores.model,
        split="dev" if has_dev else "test",
        items=int((evaluation.gold["split"] == "dev").sum()) if has_dev else found.values.shape[1],
        above_guess=frozenset(sources for sources, better in zip(runs, above, strict=True) if better),
    )


def _points(shares: dict[Sources, float | None]) -> dict[Sources, float]:
    return {sources: 100 * share for sources, share in shares.items() if share is not None}
