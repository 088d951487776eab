"""The advice of ``cocktail.analysis.advice`` on a study's evaluated tasks, as rows of the report.

Not on general sets, which pairs are not asked. All others are looked at, so the p-values of a model's
rankings are adjusted together (Holm).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from cocktail.analysis.advice.gain import Sources, fitting_sets
from cocktail.analysis.advice.heldout import LEVEL, HeldOut, held_out_record
from cocktail.analysis.advice.scores import TargetScores
from cocktail.analysis.advice.show import advice_row
from cocktail.analysis.floor import beats_guess, guess_share
from cocktail.analysis.rows import AdviceRow
from cocktail.analysis.scores import ModelScores
from cocktail.analysis.stats.multiplicity import holm
from cocktail.config import Params, general_tasks
from cocktail.errors import RecordError
from cocktail.scoring.answers import Evaluation


def advice_rows(
    scores: ModelScores, evaluations: Mapping[str, Evaluation], *, params: Params
) -> list[AdviceRow]:
    """Return one row per evaluated task but general sets; where runs are missing the verdict says which.

    None if the model is untuned.
    """
    if params.model(scores.model).untuned:
        return []
    tasks, general = params.study.tasks, general_tasks()
    found = {
        task: _scores(scores, tasks, task, guess=guess_share(evaluations[task]))
        for task in params.study.evaluations
        if task not in general
    }
    records = {task: _record(mine, tasks, task) for task, mine in found.items()}
    held_out = {task: record for task, record in records.items() if isinstance(record, HeldOut)}
    adjusted = holm([record.p for record in held_out.values()])
    records |= {
        task: replace(record, p_adjusted=p)
        for (task, record), p in zip(held_out.items(), adjusted, strict=True)
    }
    return [_row(records[task], mine, tasks, task) for task, mine in found.items()]


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


def _scores(scores: ModelScores, tasks: Sequence[str], task: str, *, guess: float) -> TargetScores:
    """The scores of base and mixtures, in points; fitted on dev where the task has dev rows."""
    asked = set(scores.asked("explore", task))
    runs = {run.sources: run.id for run in scores.explored if run.kind != "tuned" and run.id in asked}
    found = scores.outcomes("explore", list(runs.values()), task, "strict")
    above = beats_guess(found.values, found.clusters, guess=guess, confidence=1 - LEVEL)
    test = _points({sources: scores.value("explore", run, task) for sources, run in runs.items()})
    dev = _points({sources: scores.dev.get((run, task)) for sources, run in runs.items()})
    has_dev = any(sources in dev for sources in fitting_sets(tasks))
    return TargetScores(
        fitted=dev if has_dev else test,
        test=test,
        model=scores.model,
        split="dev" if has_dev else "test",
        above_guess=frozenset(sources for sources, better in zip(runs, above, strict=True) if better),
    )


def _points(shares: dict[Sources, float | None]) -> dict[Sources, float]:
    return {sources: 100 * share for sources, share in shares.items() if share is not None}
