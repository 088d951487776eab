"""The budget curve: what the best of k tries is worth, for tuned singles and for mixtures.

A recipe that is tried more often looks better by chance and by tuning; so mixtures are held against singles
that were tried as often. All tries are explored runs at one seed each: the tuned singles and the single as
the paper trains it, and every mixture that contains the task.
"""

from __future__ import annotations

from collections.abc import Sequence

from cocktail.analysis.rows import BudgetRow, points
from cocktail.analysis.scores import ModelScores
from cocktail.analysis.stats.best_of import expected_best, picked_value
from cocktail.config import Params


def budget_rows(scores: ModelScores, *, params: Params) -> list[BudgetRow]:
    """Return one row per target, arm and k, in points: expected test score of the try picked among k.

    ``picked_on_dev`` is what the try with the best dev score is worth on test; ``picked_on_test`` is what
    choosing by the test score itself would have promised. Nothing where no single was tuned.
    """
    return [
        row
        for task in params.study.targets
        if any(run.kind == "tuned" and run.sources == (task,) for run in scores.explored)
        for arm, runs in _arms(scores, task).items()
        for row in _curve(scores, task, arm, runs)
    ]


def _arms(scores: ModelScores, task: str) -> dict[str, list[str]]:
    singles = [run for run in scores.explored if run.kind in ("single", "tuned") and run.sources == (task,)]
    candidates = scores.selected.get(task, {}).get("candidates", {})
    return {"singles": [run.id for run in singles], "mixtures": list(candidates)}


def _curve(scores: ModelScores, task: str, arm: str, runs: Sequence[str]) -> list[BudgetRow]:
    test = scores.outcomes("explore", runs, task, "strict").values
    dev = [scores.dev[run, task] for run in runs]
    return [
        {
            "model": scores.model,
            "task": task,
            "arm": arm,
            "k": k,
            "picked_on_dev": points(picked_value(dev, test, k)),
            "picked_on_test": points(expected_best(test.mean(axis=1), k)),
            "n_items": test.shape[1],
            "runs": list(runs),
        }
        for k in range(1, len(runs) + 1)
    ]
