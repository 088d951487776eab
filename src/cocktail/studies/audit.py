"""``cocktail audit``: finished runs, drawn by a seed, are trained and answered again, and compared.

A record is scored from kept runs, which nobody trains: this asks whether code, data and base of this clone
give the answers that are kept, as far as their codes tell. It needs the outputs of the stages before explore
(of confirmed runs, before confirm), and trains in a store of its own, which is thrown away.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cocktail.config import Params
from cocktail.errors import RecordError
from cocktail.files.store import Store, store_root
from cocktail.runs.finished import Finished
from cocktail.runs.runs import finished_runs, made_again
from cocktail.scoring.answers import Evaluation, read_evaluations
from cocktail.scoring.codes import code_answers, task_of
from cocktail.scoring.outcome import Tolerance
from cocktail.studies.keep import models_here, stages_of
from cocktail.studies.record import TOLERANCE_POINTS
from cocktail.training.environment import visible_gpus

COMPARED = ["strict", "lenient", "read", "label_choice", "stopped", "empty"]


@dataclass(frozen=True)
class Audited:
    """One run, as it was and as it came out again.

    Attributes:
        answers, equal: how many answers, and how many of them have the codes that they had.
        points: the largest change of strict accuracy on an evaluation set, in points.
        exact: it must be the same: both were made on one type of CPU, with the same attention, sharing of
            prefixes, joining of trees and number of devices.
        same_loss: the losses of the training are equal to the last digit.
    """

    run: str
    answers: int
    equal: int
    points: float
    exact: bool
    same_loss: bool

    @property
    def holds(self) -> bool:
        """Whether it is what it should be: the same; on a GPU, or made otherwise, near enough."""
        if self.exact:
            return self.equal == self.answers and self.same_loss
        return self.points <= TOLERANCE_POINTS

    def line(self) -> str:
        """Return it in words."""
        allowed = f"made otherwise, so {TOLERANCE_POINTS:g} points are allowed"
        loss = "equal" if self.same_loss else "not equal"
        return (
            f"{self.run}: {self.equal:,} of {self.answers:,} answers equal, accuracy on a set moved by at "
            f"most {self.points:.1f} points, losses {loss} ({'must be the same' if self.exact else allowed})"
        )


def audit(root: Path, params: Params, *, kept: Path, runs: int, seed: int) -> Iterator[str]:
    """Yield a line for what was drawn, then one for each run that was made again.

    Args:
        root: the top of the repository.
        kept: the folder of kept runs; what the store has counts, too.
        runs: how many are drawn from the trained runs that are done.

    Raises:
        RecordError: fewer are done, or stages have not run; or, at the end, a run did not come out as it was.
        RunError: a run failed.
    """
    if not (root / "data/prepared/tasks.json").is_file():
        raise RecordError("the stages before explore have not run", fix="dvc repro mix base, then once more")
    evaluations = read_evaluations(root / "data/prepared")
    stages = [
        (planned, inputs)
        for model in models_here(params)
        for _, planned, inputs in stages_of(root, params, model=model, kept=kept)
    ]
    done = [(at, one) for at, stage in enumerate(stages) for one in finished_runs(*stage) if one.steps]
    if not 1 <= runs <= len(done):
        raise RecordError(
            f"{len(done)} trained runs of study {params.study.name} are done, {runs} were asked for",
            where=str(kept),
            fix="another --runs; runs of other data, params or packages do not count (cocktail watch)",
        )
    drawn = [done[place] for place in sorted(random.Random(seed).sample(range(len(done)), runs))]
    yield f"drawn with seed {seed}: {runs} of {len(done)} runs"
    store_root().mkdir(parents=True, exist_ok=True)
    tolerance = Tolerance(params.score.relative_tolerance, params.score.absolute_tolerance)
    wrong = []
    for stage, (planned, inputs) in enumerate(stages):
        mine = [one for at, one in drawn if at == stage]
        if not mine:
            continue
        with tempfile.TemporaryDirectory(dir=store_root(), prefix="audit-") as folder:
            again = made_again(mine, planned, inputs, store=Store(Path(folder)), label="audit")
            for was, now in zip(mine, again, strict=True):
                found = compare(was, now, evaluations, tolerance=tolerance)
                yield found.line()
                wrong += [] if found.holds else [found.run]
    if not wrong:
        yield f"all {runs} came out as they were, or as near as is allowed"
    else:
        raise RecordError(
            f"{len(wrong)} of {runs} runs did not come out as they were: {', '.join(wrong)}",
            where=str(kept),
            fix="compare commit, packages and the base's digest with those that the kept runs were made with",
        )


def compare(
    was: Finished, now: Finished, evaluations: Mapping[str, Evaluation], *, tolerance: Tolerance
) -> Audited:
    """Hold two makings of one run against each other; either may be kept as codes."""
    before, after = (
        code_answers(
            one.table(),
            evaluations,
            run=one.run.id,
            asked=[answered.asked for answered in one.answers],
            tolerance=tolerance,
        ).set_index("item")[COMPARED]
        for one in (was, now)
    )
    tasks = before.index.map(task_of)
    moved = (after["strict"] == "ok").astype(float) - (before["strict"] == "ok").astype(float)
    return Audited(
        run=was.run.id,
        answers=len(before),
        equal=int((before == after).all(axis=1).sum()),
        points=float(100 * moved.groupby(tasks).mean().abs().max()),
        exact=not visible_gpus() and _made_on(was) == _made_on(now),
        same_loss=was.training["loss"] == now.training["loss"],
    )


def _made_on(one: Finished) -> tuple[Mapping[str, Any], set[str]]:
    return one.training["made_on"], {str(each.receipt["made_on"]) for each in one.answers}
