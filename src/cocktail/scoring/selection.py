"""Choose each task's mixture on dev, and note what choosing on test would have picked.

Picking the best of 17 mixtures on the test set is what the paper did; the difference between the two picks
is the winner's curse. Ties go to the first in the order of the grid, so the choice does not hang on noise
in file order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from cocktail.config import FINANCE_TASKS, Params
from cocktail.errors import ConfigError, RecordError
from cocktail.grid import candidates, explore_runs
from cocktail.records import write_json
from cocktail.scoring.answers import read_answers, read_asked, read_evaluations
from cocktail.scoring.items import score_items
from cocktail.scoring.outcome import Tolerance


@dataclass(frozen=True)
class Selection:
    """What was chosen for one task: accuracies are strict, in 0..1, at the grid's seed."""

    chosen: str
    kind: str
    dev_accuracy: float
    candidates: dict[str, float]
    chosen_on_test: str


def select_study(
    prepared: Path, answers: Path, out: Path, *, params: Params, model: str
) -> dict[str, Selection]:
    """Choose for every mixed finance task that is evaluated; write and return the selections.

    Confirm trains those of ``study.targets``; the others serve the explored tables. For a model that is not
    tuned there is nothing to choose.

    Raises:
        ConfigError: a target has no mixture in ``study.include``.
        RecordError: a candidate has no answers, or a task has no dev rows.
    """
    if params.model(model).untuned:
        write_json(out, {})
        return {}
    tasks = [
        task for task in FINANCE_TASKS if task in params.study.tasks and task in params.study.evaluations
    ]
    accuracies = _accuracies(prepared, answers, params=params)
    kinds = {run.id: run.kind for run in explore_runs(params)}
    selections = {}
    for task in tasks:
        names = candidates(params, task)
        if names:
            selections[task] = choose(
                names, kinds, dev=accuracies[task, "dev"], test=accuracies[task, "test"]
            )
        elif task in params.study.targets:
            raise ConfigError(
                [f"study.include has no mixture that contains target {task!r}"], where="params.yaml"
            )
    write_json(out, {task: asdict(selection) for task, selection in selections.items()})
    return selections


def choose(
    names: Sequence[str], kinds: Mapping[str, str], *, dev: Mapping[str, float], test: Mapping[str, float]
) -> Selection:
    """Return the best of ``names`` on dev; ``max`` keeps the first of equals."""
    chosen = max(names, key=lambda name: dev[name])
    return Selection(
        chosen=chosen,
        kind=kinds[chosen],
        dev_accuracy=dev[chosen],
        candidates={name: dev[name] for name in names},
        chosen_on_test=max(names, key=lambda name: test[name]),
    )


def _accuracies(prepared: Path, answers: Path, *, params: Params) -> dict[tuple[str, str], dict[str, float]]:
    """Strict accuracy of every explored run, by (task, split)."""
    evaluations = read_evaluations(prepared)
    tolerance = Tolerance(params.score.relative_tolerance, params.score.absolute_tolerance)
    found: dict[tuple[str, str], dict[str, float]] = {}
    tables = read_answers(answers)
    missing = [run.id for run in explore_runs(params) if run.id not in tables]
    if missing:
        raise RecordError(f"no answers of {', '.join(missing)}", where=str(answers), fix="dvc repro explore")
    for run, table in tables.items():
        asked = read_asked(answers, run)
        items = score_items(table, evaluations, run=run, asked=asked, tolerance=tolerance)
        for key, codes in items.groupby(["task", "split"])["strict"]:
            task, split = key if isinstance(key, tuple) else (str(key), "")
            found.setdefault((str(task), str(split)), {})[run] = float((codes == "ok").mean())
    without_dev = [task for task in params.study.targets if (task, "dev") not in found]
    if without_dev:
        raise RecordError(f"no dev rows to choose on for {', '.join(without_dev)}", where=str(prepared))
    return found
