"""Answering: our engine against plain ``generate`` in arrival order, 64 tokens at most.

A base is tuned on all sources first, so that answers end as those of a study do: most after a few tokens,
some at the limit. Both sides answer every evaluation set with the same model, precision and batch size; plain
takes the items as they come (task after task) and pads batches on the left. Loading and a first batch are not
timed. An answer that differs by more than a near tie fails the benchmark. On a GPU the model has the shape of
Phi-3-mini, and vLLM answers too where it is installed.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from common import STUDIES, Measured, alternate, finish, made_with, parser, say, scratch, script
from workbench import Workbench, make_workbench

from cocktail.errors import RunError
from cocktail.report.benchmarks import Benchmark, Goal, MeasuredRatio, Series
from cocktail.stage import run_command
from cocktail.training.environment import WORKER_SETTINGS, visible_gpus

GOAL = Goal("at least", 5.0)
SINGLE_EVERY = 8  # one item at a time is slow: every n-th item shows its speed
ON_GPU = ["train.learning_rate=1e-4", "train.precision=bf16"]  # from random weights: a larger step than 3e-6


@dataclass(frozen=True)
class Side:
    """One way to answer, and which items; None: the study's batch size."""

    name: str
    engine: str
    batch_size: int | None = None
    every: int = 1

    @property
    def file(self) -> str:
        return f"{self.engine}-{self.batch_size or 'batch'}.json"


OURS, PLAIN = Side("ours", "ours"), Side("plain generate", "plain")
SINGLE = Side("plain generate, one at a time", "plain", batch_size=1, every=SINGLE_EVERY)
VLLM = Side("vLLM", "vllm")


def sides(size: str, *, on_gpu: bool) -> list[Side]:
    """Return what is measured: the two sides, and where there is time or a GPU, two more."""
    more = [SINGLE] if size == "full" else []
    return [OURS, PLAIN, *more, *([VLLM] if on_gpu and find_spec("vllm") else [])]


def answer(bench: Workbench, side: Side, *, options: Sequence[str] = ()) -> Measured:
    """Answer as a process of its own; ``options``: more of ``answers.py``."""
    size = ["--batch-size", str(side.batch_size)] if side.batch_size else []
    return bench.run(
        script(
            "answers.py",
            *("answer", "--model", "tuned", "--engine", side.engine, "--out", side.file),
            *("--every", str(side.every), *size, *options),
        ),
        **WORKER_SETTINGS,
    )


def same_answers(
    bench: Workbench, other: Side, *, strict: bool, options: Sequence[str] = ()
) -> Mapping[str, Any]:
    """Compare our answers with those of another side.

    Args:
        strict: whether a difference is an error.
        options: those that both were given.

    Raises:
        RunError: two differ, and not by a near tie.
    """
    files = ("--answers", OURS.file, other.file)
    command = script("answers.py", "compare", "--model", "tuned", *files, *options)
    said = bench.run(command, **WORKER_SETTINGS).said
    different = said["rows"] - said["equal"] - said["near_ties"]
    if different and strict:
        raise RunError(
            f"{different} of {said['rows']} answers differ by more than a near tie: {said['gaps']}"
        )
    return said


def main() -> None:
    arguments = parser(__doc__, repeats=3).parse_args()
    with scratch() as folder:
        finish(compare(folder, arguments), arguments)


def compare(folder: Path, arguments: argparse.Namespace) -> Benchmark:
    """Tune, measure all sides in turn, compare their answers, and return the result."""
    on_gpu = bool(visible_gpus())
    study = STUDIES[arguments.size]
    bench = make_workbench(folder, study, ["study.tries=0", *(ON_GPU if on_gpu else [])], large=on_gpu)
    tuned = bench.run(script("answers.py", "tune", "--model", "tuned"), **WORKER_SETTINGS)
    say(f"tuned on {tuned.said['rows']} rows in {tuned.seconds:.1f} s")
    measured = sides(arguments.size, on_gpu=on_gpu)
    found = alternate({one.name: partial(answer, bench, one) for one in measured}, repeats=arguments.repeats)
    same = {
        one.name: same_answers(bench, one, strict=one is PLAIN) for one in measured if one in (PLAIN, VLLM)
    }
    return Benchmark(
        name="answering",
        title="Answering: evaluation rows a second",
        command=f"python benchmarks/answering.py --repeats {arguments.repeats}",
        comparisons=tuple(_compared(one, found, same.get(one.name, {})) for one in measured if one != OURS),
        made_with=made_with(),
        notes=(
            f"Evaluation sets of study {study}, {found[OURS.name][0].said['rows']} items, at most 64 tokens "
            f"each; batches of {bench.params.answer.batch_size}{'' if on_gpu else ', one thread'}. "
            f"One at a time: every {SINGLE_EVERY}th item.",
            *(
                f"{name}: {one['equal']} of {one['rows']} answers are ours token by token, "
                f"{one['near_ties']} differ at a near tie."
                for name, one in same.items()
            ),
        ),
        not_measured=tuple(_missing(on_gpu=on_gpu)),
    )


def _compared(other: Side, found: Mapping[str, Sequence[Measured]], same: Mapping[str, Any]) -> MeasuredRatio:
    mine, theirs = (
        Series(side.name, tuple(float(one.said["rows_per_second"]) for one in found[side.name]))
        for side in (OURS, other)
    )
    said = {side.name: dict(found[side.name][-1].said) for side in (OURS, other)}
    goal = GOAL if other is PLAIN else None
    return MeasuredRatio(
        "evaluation sets", "rows/s", mine, theirs, goal=goal, facts={**said, "answers": dict(same)}
    )


def _missing(*, on_gpu: bool) -> list[str]:
    missing = [] if on_gpu else ["answering on a GPU"]
    return missing if find_spec("vllm") else [*missing, "vLLM, which is not installed here"]


if __name__ == "__main__":
    run_command(main)
