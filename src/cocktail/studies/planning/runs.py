"""Every run of a study with its rows, tokens and optimiser steps, as the stages would make it.

What confirm trains hangs on what is chosen on dev, which nobody knows before. The plan is an upper bound:
each target is within reach, gets the candidate whose own run and controls cost most tokens and its longest
tuned tries, and no two targets share one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil

from cocktail.config import Params
from cocktail.data.confirmation import confirm_runs, dearest_choice
from cocktail.data.grid import Run, candidates, explore_runs, mixture_of
from cocktail.data.mixture import plan, source_sizes
from cocktail.errors import ConfigError
from cocktail.studies.planning.rows import SourceRows


@dataclass(frozen=True)
class PlannedRun:
    """One run, or the same run with several seeds.

    Attributes:
        stage: explore or confirm.
        seeds: how often it is trained.
        rows: of one pass over its mixture.
        short: rows that were asked for and are not there.
        passes: over the mixture.
        tokens: read by one training, all passes.
        steps: optimiser steps of one training.
        answers, answer_tokens: rows that one run is asked, and their tokens.
        at_most: the mixture that stands for the one chosen on dev, "" where nothing is chosen.
    """

    stage: str
    id: str
    kind: str
    seeds: int
    rows: int
    short: int
    passes: float
    tokens: float
    steps: int
    answers: int
    answer_tokens: float
    at_most: str = ""


def planned_runs(params: Params, rows: Mapping[str, SourceRows]) -> list[PlannedRun]:
    """Return the runs of a tuned model, the base of no tokens among them; explore, then confirm.

    Raises:
        ConfigError: a run or kind of the study is not known, or a target has no candidate.
    """
    explored = explore_runs(params)
    return [
        *measured_runs(explored, params, rows, stage="explore", seeds=1),
        *(_confirmed(params, rows) if params.study.confirm_seeds else []),
    ]


def _confirmed(params: Params, rows: Mapping[str, SourceRows]) -> list[PlannedRun]:
    found: dict[str, PlannedRun] = {}
    for target in params.study.targets:
        possible = [_confirmed_with(choice, target, params, rows) for choice in candidates(params, target)]
        if not possible:
            raise ConfigError([f"no explored mixture contains target {target!r}"], where="study.include")
        dearest = max(possible, key=lambda runs: sum(run.tokens for run in runs))
        found.update({run.id: run for run in dearest})
    return sorted(found.values(), key=lambda run: run.kind in ("steps", "size"))


def _confirmed_with(
    choice: str, target: str, params: Params, rows: Mapping[str, SourceRows]
) -> list[PlannedRun]:
    """The runs of one target if ``choice`` is chosen, for all seeds; what is chosen has an id of its own."""
    study, seed = params.study, params.study.confirm_seeds[0]
    one = study.model_copy(update={"targets": [target], "confirm_seeds": [seed]})
    alone = params.model_copy(update={"study": one})
    chosen = {target: dearest_choice(params, target, choice)}
    confirmed = confirm_runs(alone, chosen)
    planned = measured_runs(confirmed, alone, rows, stage="confirm", seeds=len(study.confirm_seeds))
    named = "" if choice in ("all", *study.confirm_also) else choice  # these are trained anyway
    return [_named(one, run, target, named) for one, run in zip(planned, confirmed, strict=True)]


def _named(planned: PlannedRun, run: Run, target: str, choice: str) -> PlannedRun:
    """The run under the name of what it stands for, where dev chooses it; ``choice`` "": dev need not."""
    if run.kind == "tuned" and run.sources != (target,):  # the best try of all may be another for each target
        return replace(planned, id=f"tuned_mixture_{target}", at_most=run.mixture)
    if run.mixture == choice:
        return replace(planned, id=f"chosen_{target}", kind="chosen", at_most=choice)
    if choice and mixture_of(run.matches, run.seed) == choice:
        return replace(planned, id=f"{run.kind}_{target}_as_chosen", at_most=choice)
    return replace(planned, id=run.mixture)


def measured_runs(
    runs: Sequence[Run], params: Params, rows: Mapping[str, SourceRows], *, stage: str, seeds: int
) -> list[PlannedRun]:
    """Return runs with their rows, tokens and steps; what is matched stands before what matches it."""
    available = {name: source.train for name, source in rows.items()}
    sizes = source_sizes(params, available)
    found: dict[str, PlannedRun] = {}
    for run in runs:
        asked = plan(run, sizes=sizes, available=available, runs=runs)
        got = {name: min(size, available[name]) for name, size in asked.items()}
        num_rows, once = sum(got.values()), sum(size * rows[name].tokens for name, size in got.items())
        epoch = _epoch_steps(params, rows=num_rows, tokens=once)
        steps = found[run.matches].steps if run.kind == "steps" else ceil(epoch * run.epochs)
        passes = steps / epoch if run.kind == "steps" else run.epochs
        found[run.id] = PlannedRun(
            stage=stage,
            id=run.id,
            kind=run.kind,
            seeds=seeds,
            rows=num_rows,
            short=sum(asked.values()) - num_rows,
            passes=passes,
            tokens=once * passes,
            steps=steps,
            answers=sum(rows[one.task].asked(one) for one in run.asked),
            answer_tokens=sum(rows[one.task].asked(one) * rows[one.task].prompt_tokens for one in run.asked),
        )
    return list(found.values())


def _epoch_steps(params: Params, *, rows: int, tokens: float) -> int:
    """Steps of one pass; packed sequences are taken as full, as best-fit packing nearly makes them."""
    sequences = ceil(tokens / params.train.max_length) if params.train.packing else rows
    return ceil(sequences / (params.train.batch_size * params.train.gradient_accumulation_steps))
