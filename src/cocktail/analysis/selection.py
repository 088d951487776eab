"""Choose each task's mixture on dev, and say which tasks are within reach.

Picking the best of 17 mixtures on the test set is what the paper did; what choosing on test would have picked
is noted, and the difference between the two picks is the winner's curse. Ties go to the first in the order of
the grid, so the choice does not hang on noise in file order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd

from cocktail.analysis.floor import Floor, find_floor
from cocktail.config import Params, general_tasks
from cocktail.data.grid import candidates, explore_runs, mixtures
from cocktail.errors import ConfigError, RecordError
from cocktail.files.records import read_digested, write_digested
from cocktail.scoring.answers import Evaluation, read_answers, read_asked, read_evaluations
from cocktail.scoring.codes import score_items
from cocktail.scoring.outcome import Tolerance

ROLES = ("chosen", "tuned_single", "tuned_mixture")  # what stage confirm trains of what was chosen


@dataclass(frozen=True)
class Selection:
    """What was chosen for one task: accuracies are strict, in 0..1, at the grid's seed.

    Attributes:
        candidates: every mixture with the task, with its accuracy on dev.
        possible: how many such mixtures the whole grid has.
        tuned_single, tuned_mixture: the best on dev of the single and its tuned tries, and of ``all`` and as
            many tuned tries of it; "" where the study tunes nothing.
    """

    chosen: str
    kind: str
    dev_accuracy: float
    candidates: dict[str, float]
    possible: int
    chosen_on_test: str
    tuned_single: str = ""
    tuned_mixture: str = ""


def select_study(
    prepared: Path, answers: Path, out: Path, *, params: Params, model: str
) -> dict[str, Selection]:
    """Choose for every mixed task that is evaluated, and find each task's floor; write both, return choices.

    Confirm trains those of ``study.targets`` that are within reach; the others serve the explored tables. For
    a model that is not tuned there is nothing to choose.

    Raises:
        ConfigError: a target has no mixture in ``study.include``.
        RecordError: a candidate has no answers, or a target has no dev rows.
    """
    if params.model(model).untuned:
        write_digested(out, {"choices": {}, "floors": {}})
        return {}
    evaluations = read_evaluations(prepared)
    items = _explored_items(answers, evaluations, params=params)
    mixed = [task for task in params.study.evaluations if task in params.study.tasks]
    choices = {}
    for task in mixed:
        if candidates(params, task):
            choices[task] = _choice(task, items, params)
        elif task in params.study.targets:
            raise ConfigError(
                [f"study.include has no mixture that contains target {task!r}"], where="params.yaml"
            )
    written = {task: asdict(choice) for task, choice in choices.items()}
    floors = {
        task: asdict(_floor(task, items, evaluations[task], params)) for task in params.study.evaluations
    }
    write_digested(out, {"choices": written, "floors": floors})
    return choices


def confirmed_choices(selected: Path, params: Params) -> dict[str, dict[str, str]]:
    """Return what was chosen for each target to confirm, by role: what stage confirm trains.

    A target at the floor is confirmed only where ``study.confirm_targets`` is all; its claims stay untested.

    Args:
        selected: what :func:`select_study` wrote for a model.
    """
    content = read_digested(selected)
    return {
        target: {role: content["choices"][target][role] for role in ROLES}
        for target in params.study.targets
        if target in content["choices"]
        and (params.study.confirm_targets == "all" or content["floors"][target]["live"])
    }


def _choice(task: str, items: pd.DataFrame, params: Params) -> Selection:
    """Choose among the explored runs; ``items`` of all runs, by run, task and split."""
    accuracy = items[items["task"] == task].groupby(["split", "run"])["strict"]
    shares = accuracy.apply(lambda codes: float((codes == "ok").mean()))
    if "dev" not in shares.index.get_level_values("split"):
        raise RecordError(f"no dev rows to choose on for {task}", where=task, fix="a larger prepare.dev_rows")
    dev, test = (shares[split].to_dict() for split in ("dev", "test"))
    explored = explore_runs(params)
    kinds = {run.id: run.kind for run in explored}
    grid = mixtures(params.study.tasks).values()
    possible = sum(kind != "single" and task in sources for kind, sources in grid)
    chosen = choose(candidates(params, task), kinds, dev=dev, test=test, possible=possible)
    if not params.study.tries or "tuned" not in params.study.include or task not in params.study.targets:
        return chosen
    singles = [run.id for run in explored if run.kind in ("single", "tuned") and run.sources == (task,)]
    of_all = [run.id for run in explored if run.kind in ("all", "tuned") and len(run.sources) > 1]
    return replace(
        chosen,
        tuned_single=max(singles, key=lambda run: dev[run]),
        tuned_mixture=max(of_all, key=lambda run: dev[run]),
    )


def _floor(task: str, items: pd.DataFrame, evaluation: Evaluation, params: Params) -> Floor:
    """Of a mixed task the runs with it count, of a general set all runs."""
    general = task in general_tasks()
    counted = [run.id for run in explore_runs(params) if general or task in run.sources]
    mine = items[(items["task"] == task) & items["run"].isin(counted)]
    return find_floor({str(run): rows for run, rows in mine.groupby("run", sort=False)}, evaluation)


def choose(
    names: Sequence[str],
    kinds: Mapping[str, str],
    *,
    dev: Mapping[str, float],
    test: Mapping[str, float],
    possible: int,
) -> Selection:
    """Return the best of ``names`` on dev; ``max`` keeps the first of equals."""
    chosen = max(names, key=lambda name: dev[name])
    return Selection(
        chosen=chosen,
        kind=kinds[chosen],
        dev_accuracy=dev[chosen],
        candidates={name: dev[name] for name in names},
        possible=possible,
        chosen_on_test=max(names, key=lambda name: test[name]),
    )


def _explored_items(answers: Path, evaluations: Mapping[str, Evaluation], *, params: Params) -> pd.DataFrame:
    """Scored items of every explored run: run, task, split, cluster, strict."""
    tolerance = Tolerance(params.score.relative_tolerance, params.score.absolute_tolerance)
    tables = read_answers(answers)
    missing = [run.id for run in explore_runs(params) if run.id not in tables]
    if missing:
        raise RecordError(f"no answers of {', '.join(missing)}", where=str(answers), fix="dvc repro explore")
    scored = [
        score_items(
            table, evaluations, run=run, asked=read_asked(answers, run).asked, tolerance=tolerance
        ).assign(run=run)
        for run, table in tables.items()
    ]
    return pd.concat(scored, ignore_index=True)[["run", "task", "split", "cluster", "strict"]]
