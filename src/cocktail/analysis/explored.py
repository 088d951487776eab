"""What the explored grid shows at one seed: transfer, leave-one-out, the winner's curse, the budget curve.

All rows are exploratory: one seed, many cells. Differences are in points of strict accuracy on test.
"""

from __future__ import annotations

from collections.abc import Sequence

from cocktail.analysis.rows import (
    BudgetRow,
    CellRow,
    CurseRow,
    LeaveOneOutRow,
    SnoopingRow,
    TransferRow,
    points,
)
from cocktail.analysis.scores import ModelScores
from cocktail.analysis.stats.snooping import MIN_CLUSTERS, expected_best, picked_value, snooping_test
from cocktail.config import Params
from cocktail.errors import RecordError


def transfer_rows(scores: ModelScores, *, params: Params) -> list[TransferRow]:
    """Return for each (task, partner) of the mixed tasks what adding the partner changes on the task.

    A cell is empty (None) on the diagonal, where a task is not evaluated, and where the pair was not run.
    An untuned model has no cells.
    """
    rows: list[TransferRow] = []
    if params.model(scores.model).untuned:
        return rows
    for task in params.study.tasks:
        for partner in params.study.tasks:
            pair = _run_of(scores, {task, partner}) if partner != task else ""
            cell = _difference(scores, task, more=pair, less=f"single_{task}")
            rows.append(TransferRow(partner=partner, **cell))
    return rows


def leave_one_out_rows(scores: ModelScores, *, params: Params) -> list[LeaveOneOutRow]:
    """Return for each (task, left out) what the left-out source gives the task: all minus without."""
    if params.model(scores.model).untuned:
        return []
    everything = set(params.study.tasks)
    return [
        LeaveOneOutRow(
            left_out=left, **_difference(scores, task, more="all", less=_run_of(scores, everything - {left}))
        )
        for task in params.study.evaluations
        for left in params.study.tasks
    ]


def curse_rows(scores: ModelScores, *, params: Params) -> list[CurseRow]:
    """Return per task the gain over the single task when the mixture is picked on dev, and when on test.

    ``p_any_better`` is of "no mixture is better than the single", with all of them looked at on test, and
    ``better`` those that are called better (``stats.snooping``); both of these weights, on items like these.
    Of too few clusters there is no p.

    Raises:
        RecordError: the test scores contradict the selection file.
    """
    rows: list[CurseRow] = []
    for task, selection in scores.selected.items():
        single = scores.value("explore", f"single_{task}", task)
        on_dev = scores.value("explore", selection["chosen"], task)
        on_test = scores.value("explore", selection["chosen_on_test"], task)
        if single is None or on_dev is None or on_test is None:
            continue
        if on_test < on_dev:
            raise RecordError(
                f"{task}: the mixture picked on test is worse on test", fix="dvc repro choose score"
            )
        rows.append(
            {
                "model": scores.model,
                "task": task,
                "chosen_on_dev": selection["chosen"],
                "chosen_on_test": selection["chosen_on_test"],
                "candidates": len(selection["candidates"]),
                "gain_on_dev_choice": points(on_dev - single),
                "gain_on_test_choice": points(on_test - single),
                "curse": points(on_test - on_dev),
                **_snooping(scores, task, list(selection["candidates"]), seed=params.study.seed),
            }
        )
    return rows


def budget_rows(scores: ModelScores, *, params: Params) -> list[BudgetRow]:
    """Return one row per target, arm and k, in points: expected test score of the try picked among k.

    A recipe that is tried more often looks better by chance and by tuning; so mixtures are held against
    singles that were tried as often. All tries are explored runs: the tuned singles and the single as the
    paper trains it, and every mixture that contains the task.

    ``picked_on_dev`` is what the try with the best dev score is worth on test; ``picked_on_test`` is what
    choosing by the test score itself would have promised. Nothing where no single was tuned.
    """
    return [
        row
        for task in params.study.targets
        if any(run.kind == "tuned" and run.sources == (task,) for run in scores.explored)
        for arm, runs in _tries(scores, task).items()
        for row in _curve(scores, task, arm, runs)
    ]


def _snooping(scores: ModelScores, task: str, candidates: list[str], *, seed: int) -> SnoopingRow:
    single = f"single_{task}"
    outcomes = scores.outcomes("explore", [single, *candidates], task, "strict")
    num_clusters = len(set(outcomes.clusters))
    p, better = None, list[str]()
    if num_clusters >= MIN_CLUSTERS:
        found = snooping_test(outcomes.values[0], outcomes.values[1:], outcomes.clusters, seed=seed)
        p, better = round(found.p, 4), [candidates[i] for i in found.better]
    return SnoopingRow(
        n_items=len(outcomes.clusters), n_clusters=num_clusters, single=single, p_any_better=p, better=better
    )


def _difference(scores: ModelScores, task: str, *, more: str, less: str) -> CellRow:
    above, below = scores.value("explore", more, task), scores.value("explore", less, task)
    delta = None if above is None or below is None else points(above - below)
    return {"model": scores.model, "task": task, "delta": delta, "run": more, "against": less}


def _run_of(scores: ModelScores, sources: set[str]) -> str:
    """The explored mixture of exactly these sources; with few sources a pair is also a leave-one-out."""
    kinds = ("single", "pair", "without", "all")
    return next((run.id for run in scores.explored if run.kind in kinds and set(run.sources) == sources), "")


def _tries(scores: ModelScores, task: str) -> dict[str, list[str]]:
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
