"""The advice of ``cocktail.advice`` on every evaluated task of a study, as rows of the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cocktail.advice.gain import Sources, fitting_sets
from cocktail.advice.heldout import held_out_record
from cocktail.advice.scores import TargetScores
from cocktail.advice.show import advice_row
from cocktail.comparison.scores import ModelScores
from cocktail.config import Params
from cocktail.errors import RecordError

Row = dict[str, Any]


def advice_rows(scores: ModelScores, *, params: Params) -> list[Row]:
    """Return one row per evaluated task; where runs are missing the verdict says which. None if untuned."""
    if params.model(scores.model).untuned:
        return []
    return [_row(scores, params.study.tasks, task) for task in params.study.evaluations]


def _row(scores: ModelScores, tasks: Sequence[str], task: str) -> Row:
    found = _scores(scores, tasks, task)
    try:
        record = held_out_record(found.fitted, found.test, tasks, target=task)
    except RecordError as error:
        nothing = dict.fromkeys(("spearman", "kendall", "p", "regret", "regret_all", "regret_single"))
        counts = {"fitted_on": found.split, "candidates": 0, "pick": "", "single": ""}
        told = {"model": scores.model, "task": task, "verdict": f"not tested: {error.what}"}
        return {**counts, **nothing, **told}
    return advice_row(record, tasks, split=found.split, model=scores.model)


def _scores(scores: ModelScores, tasks: Sequence[str], task: str) -> TargetScores:
    """The scores of base and mixtures, in points; fitted on dev where the task has dev rows."""
    runs = {run.sources: run.id for run in scores.explored if run.kind != "tuned"}
    test = _points({sources: scores.value("explore", run, task) for sources, run in runs.items()})
    dev = _points({sources: scores.dev.get((run, task)) for sources, run in runs.items()})
    has_dev = any(sources in dev for sources in fitting_sets(tasks))
    return TargetScores(
        fitted=dev if has_dev else test,
        test=test,
        model=scores.model,
        split="dev" if has_dev else "test",
    )


def _points(shares: dict[Sources, float | None]) -> dict[Sources, float]:
    return {sources: 100 * share for sources, share in shares.items() if share is not None}
