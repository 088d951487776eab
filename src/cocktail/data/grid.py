"""The grid: what is explored once. What is confirmed stands in :mod:`cocktail.data.confirmation`.

Explore holds the paper's grid for each model: singles, pairs, leave-one-out and all (9 + 36 + 9 + 1 = 55
for nine sources), with the untuned base beside it and, if asked, tuned tries of each single and of all.

Leaving out is done on the list of names. The authors' script deletes a substring instead, so leaving out
``finqa`` also breaks ``convfinqa`` and trains 54 distinct models, not 55.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Literal

import numpy as np

from cocktail.config import MixtureKind, Params, general_tasks
from cocktail.errors import ConfigError, unknown

RunKind = Literal["base", "shots", "single", "pair", "without", "all", "tuned", "steps", "size"]
KINDS = ("single", "pair", "without", "all", "tuned")


INSTRUCTIONS = "open_orca"  # what it does to general sets is a claim, so its pairs are asked these


@dataclass(frozen=True)
class Asked:
    """An evaluation set as a run is asked it.

    Attributes:
        dev: whether its dev rows are asked, too.
        test_rows: how many test rows, a fixed sample of them; None: all.
    """

    task: str
    dev: bool
    test_rows: int | None


@dataclass(frozen=True)
class Run:
    """One training run, or the untuned base.

    Attributes:
        id: unique in a study, with its seed once it has a fresh one; names files, tables and plots.
        kind: what the run is for.
        sources: the mixed sources, in the order of ``study.tasks``; of ``size`` runs those beside filler.
        seed: sets row sample, row order and adapter initialisation.
        epochs: passes over the mixture; for ``steps`` runs the passes are set by the steps of ``matches``.
        warmup_steps: optimiser steps of warm-up.
        learning_rate: peak learning rate.
        matches: for ``steps`` and ``size`` runs the id of the run whose steps or rows are matched.
        shots: for ``shots`` runs (the untuned base) how many solved examples stand before each question.
        asked: the evaluation sets whose answers somebody reads: tables, advice or verdicts.
    """

    id: str
    kind: RunKind
    sources: tuple[str, ...]
    seed: int
    epochs: float = 0.0
    warmup_steps: int = 0
    learning_rate: float = 0.0
    matches: str = ""
    shots: int = 0
    asked: tuple[Asked, ...] = ()

    @property
    def mixture(self) -> str:
        """The name that runs of one recipe share, whatever their seed."""
        return mixture_of(self.id, self.seed)


def seeded(run: Run, seed: int) -> Run:
    """Return a run with a fresh seed, which its id ends with."""
    return replace(run, id=f"{run.mixture}-s{seed}", seed=seed)


def mixture_of(run: str, seed: int) -> str:
    """Return the name that runs of one recipe share: a run's id without its seed."""
    return run.removesuffix(f"-s{seed}")


def explore_runs(params: Params, *, model: str = "") -> list[Run]:
    """Return the base, the base with solved examples if asked, and the runs that ``study.include`` names.

    Args:
        params: the study.
        model: whose runs; an untuned model has its base alone. "": of any model that is tuned.

    Raises:
        ConfigError: ``study.include`` names an unknown kind or run.
    """
    include, general = params.study.include, general_tasks()
    grid = mixture_runs(params) + _tuned(params)
    known = {*KINDS, *(run.id for run in grid)}
    if wrong := unknown(include, known, "study.include: no kind or run"):
        raise ConfigError(wrong, where="params.yaml")
    wanted = [run for run in grid if run.kind in include or run.id in include]
    untuned = bool(model) and params.model(model).untuned
    base = Run(id="base", kind="base", sources=(), seed=params.study.seed, asked=asked_whole(params, general))
    bases = [base]
    if params.answer.shots:
        asked = tuple(one for one in base.asked if one.task not in general)  # these have no train rows
        bases += [replace(base, id="base_shots", kind="shots", shots=params.answer.shots, asked=asked)]
    explored = [replace(run, asked=_asked_explored(params, run, general)) for run in wanted]
    return [*bases, *([] if untuned else explored)]


def asked_whole(params: Params, general: Sequence[str], *, dev: bool = True) -> tuple[Asked, ...]:
    """The whole test of every finance task, and the sample of every general one."""
    answer = params.answer
    return tuple(
        Asked(task, dev, answer.general_test_rows if task in general else None)
        for task in params.study.evaluations
    )


def _asked_explored(params: Params, run: Run, general: Sequence[str]) -> tuple[Asked, ...]:
    """Dev and a sample of test: transfer, leave-one-out and advice look at every finance task.

    Tuned runs are tries of the targets among their sources. What training does to general sets is read from
    singles, leave-one-out, all, and the pairs with instruction data.
    """
    if run.kind == "tuned":
        tried = [task for task in params.study.targets if task in run.sources]
        return tuple(Asked(task, True, params.answer.explored_test_rows) for task in tried)
    missing = len(params.study.tasks) - len(run.sources)
    asks_general = len(run.sources) == 1 or missing <= 1 or INSTRUCTIONS in run.sources
    return tuple(
        one if one.task in general else replace(one, test_rows=params.answer.explored_test_rows)
        for one in asked_whole(params, general)
        if asks_general or one.task not in general
    )


def candidates(params: Params, target: str) -> list[str]:
    """Return the ids of the explored mixtures of two or more sources that contain ``target``."""
    return [
        run.id
        for run in explore_runs(params)
        if run.kind in ("pair", "without", "all") and target in run.sources
    ]


def mixtures(tasks: Sequence[str]) -> dict[str, tuple[MixtureKind, tuple[str, ...]]]:
    """Return kind and sources of every single, pair, leave-one-out and all, by run id, in the grid's order.

    Each set of sources once: of three sources, pairs and leave-one-out coincide.
    """
    grid: list[tuple[MixtureKind, tuple[str, ...]]] = [("single", (task,)) for task in tasks]
    grid += [("pair", pair) for pair in combinations(tasks, 2)]
    grid += [("without", tuple(task for task in tasks if task != left)) for left in tasks]
    grid += [("all", tuple(tasks))]
    distinct: dict[frozenset[str], tuple[MixtureKind, tuple[str, ...]]] = {}
    for kind, sources in grid:
        if sources:
            distinct.setdefault(frozenset(sources), (kind, sources))
    return {_mixture_id(kind, sources, tasks): (kind, sources) for kind, sources in distinct.values()}


def _mixture_id(kind: MixtureKind, sources: tuple[str, ...], tasks: Sequence[str]) -> str:
    left_out = [task for task in tasks if task not in sources]
    return "_".join((kind, *{"single": sources, "pair": sources, "without": left_out, "all": ()}[kind]))


def mixture_runs(params: Params) -> list[Run]:
    """Return every mixture of the grid as a run at the grid's seed."""
    return [mixture_run(params, kind, sources) for kind, sources in mixtures(params.study.tasks).values()]


def mixture_run(params: Params, kind: MixtureKind, sources: tuple[str, ...]) -> Run:
    """Return a mixture as a run at the grid's seed, with the epochs and warm-up of its kind."""
    return Run(
        id=_mixture_id(kind, sources, params.study.tasks),
        kind=kind,
        sources=sources,
        seed=params.study.seed,
        epochs=params.train.epochs[kind],
        warmup_steps=params.train.warmup_steps[kind],
        learning_rate=params.train.learning_rate,
    )


def _tuned(params: Params) -> list[Run]:
    """``study.tries`` tries of each target's single, and as many of all, at the same settings.

    They are drawn without replacement from the product in ``tune``. All needs no choice among mixtures, so
    both sides have equally many tries.
    """
    # Rates of six digits, so that no noise of a product changes a run.
    rates = [
        float(f"{factor * params.train.learning_rate:.6g}") for factor in params.tune.learning_rate_factors
    ]
    space = list(product(rates, params.tune.epochs, params.tune.seeds))
    if params.study.tries > len(space):
        raise ConfigError(
            [f"study.tries is {params.study.tries}, but tune offers only {len(space)} combinations"],
            where="params.yaml",
        )
    order = np.random.default_rng(params.study.seed).permutation(len(space))[: params.study.tries]
    tries = [space[place] for place in order]
    tuned: list[tuple[str, MixtureKind, tuple[str, ...]]] = []
    tuned += [(target, "single", (target,)) for target in params.study.targets]
    tuned += [("all", "all", tuple(params.study.tasks))] if params.study.targets else []
    return [
        replace(
            mixture_run(params, kind, sources),
            id=f"tuned_{name}_{number}",
            kind="tuned",
            learning_rate=rate,
            epochs=epochs,
            seed=seed,
        )
        for name, kind, sources in tuned
        for number, (rate, epochs, seed) in enumerate(tries, start=1)
    ]
