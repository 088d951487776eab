"""The run lists: what is explored once, and what is confirmed with fresh seeds.

Explore holds the paper's grid for each model: singles, pairs, leave-one-out and all (9 + 36 + 9 + 1 = 55
for nine sources), with the untuned base beside it and, if asked, tuned tries of each single and of all.
Confirm holds, per target that is within reach, what a claim compares: the single as the paper trains it, the
mixture chosen on dev, all nine, the single matched to either in optimiser steps and in rows, and the best
tuned single and mixture; and the mixtures of ``study.confirm_also``, those that leave a source out also with
as many rows of filler in its place.

Leaving out is done on the list of names. The authors' script deletes a substring instead, so leaving out
``finqa`` also breaks ``convfinqa`` and trains 54 distinct models, not 55.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Literal

import numpy as np

from cocktail.config import Params, general_tasks
from cocktail.errors import ConfigError, near

MixtureKind = Literal["single", "pair", "without", "all"]
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
        id: unique within a stage; names files, tables and plots.
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


def explore_runs(params: Params, *, model: str = "") -> list[Run]:
    """Return the base, the base with solved examples if asked, and the runs that ``study.include`` names.

    Args:
        params: the study.
        model: whose runs; an untuned model has its base alone. "": of any model that is tuned.

    Raises:
        ConfigError: ``study.include`` names an unknown kind or run.
    """
    include = params.study.include
    grid = _mixtures(params) + _tuned(params)
    known = {*KINDS, *(run.id for run in grid)}
    unknown = [name for name in include if name not in known]
    if unknown:
        raise ConfigError(
            [f"study.include: no kind or run {name!r}{near(name, known)}" for name in unknown],
            where="params.yaml",
        )
    wanted = [run for run in grid if run.kind in include or run.id in include]
    untuned = bool(model) and params.model(model).untuned
    bases = [Run(id="base", kind="base", sources=(), seed=params.study.seed, asked=_asked_whole(params))]
    if params.answer.shots:
        bases += [replace(bases[0], id="base_shots", kind="shots", shots=params.answer.shots)]
    explored = [replace(run, asked=_asked_explored(params, run)) for run in wanted]
    return [*bases, *([] if untuned else explored)]


def _asked_whole(params: Params, *, dev: bool = True) -> tuple[Asked, ...]:
    """The whole test of every finance task, and the sample of every general one."""
    answer, general = params.answer, general_tasks()
    return tuple(
        Asked(task, dev, answer.general_test_rows if task in general else None)
        for task in params.study.evaluations
    )


def _asked_explored(params: Params, run: Run) -> tuple[Asked, ...]:
    """Dev and a sample of test: transfer, leave-one-out and advice look at every finance task.

    Tuned runs are tries of the targets among their sources. What training does to general sets is read from
    singles, leave-one-out, all, and the pairs with instruction data.
    """
    if run.kind == "tuned":
        tried = [task for task in params.study.targets if task in run.sources]
        return tuple(Asked(task, True, params.answer.explored_test_rows) for task in tried)
    missing = len(params.study.tasks) - len(run.sources)
    asks_general = len(run.sources) == 1 or missing <= 1 or INSTRUCTIONS in run.sources
    general = general_tasks()
    return tuple(
        replace(one, test_rows=one.test_rows if one.task in general else answer_rows)
        for answer_rows in [params.answer.explored_test_rows]
        for one in _asked_whole(params)
        if asks_general or one.task not in general
    )


def confirm_runs(params: Params, chosen: Mapping[str, Mapping[str, str]], *, model: str = "") -> list[Run]:
    """Return the runs of confirm, each matched control after the run that it matches.

    Args:
        params: the study.
        chosen: for each target within reach the ids of the explored runs that were best on dev, by role:
            ``chosen``, and where the study tunes ``tuned_single`` and ``tuned_mixture``.
        model: whose runs; an untuned model has none. "": of any model that is tuned.

    Raises:
        ConfigError: a target has a choice outside the grid; ``study.confirm_also`` names no mixture.
    """
    if model and params.model(model).untuned:
        return []
    grid = {run.id: run for run in explore_runs(params)}
    targets = [target for target in params.study.targets if target in chosen]
    lost = [target for target in targets if any(run and run not in grid for run in chosen[target].values())]
    if lost:
        raise ConfigError(
            [
                f"no explored run is what was chosen for target {target!r}: run choose again"
                for target in lost
            ],
            where="study.targets",
        )
    every = _mixture_run(params, "all", tuple(params.study.tasks))
    also = _confirmed_also(params)
    runs: dict[str, Run] = {}
    for seed in params.study.confirm_seeds:
        everything = _seeded(every, seed)
        for target in targets:
            single = _seeded(_mixture_run(params, "single", (target,)), seed)
            best = {role: _seeded(grid[run], seed) for role, run in chosen[target].items() if run}
            known = {**best, "all": everything}
            matched = [known[name] for name in params.study.confirm_matched if name in known]
            controls = [_matched(kind, single, like) for like in matched for kind in ("steps", "size")]
            for run in (single, *best.values(), everything, *controls):
                _ask(runs, run, (Asked(target, False, None),))
        for mixture in (*([every] if params.study.targets else []), *also):
            _ask(runs, _seeded(mixture, seed), _asked_whole(params, dev=False))
        for mixture in also:
            if mixture.kind == "without" and mixture.id in params.study.confirm_matched:
                filled = _matched("size", _seeded(mixture, seed), everything)
                _ask(runs, filled, _asked_whole(params, dev=False))
    # Stable: what is matched first, so that its steps and rows are known when its controls start.
    return sorted(runs.values(), key=lambda run: bool(run.matches))


def _ask(runs: dict[str, Run], run: Run, asked: tuple[Asked, ...]) -> None:
    """Add a run, or to one that is there what else it is asked."""
    before = runs[run.id].asked if run.id in runs else ()
    known = {one.task for one in before}
    runs[run.id] = replace(run, asked=(*before, *(one for one in asked if one.task not in known)))


def candidates(params: Params, target: str) -> list[str]:
    """Return the ids of the explored mixtures of two or more sources that contain ``target``."""
    return [
        run.id
        for run in explore_runs(params)
        if run.kind in ("pair", "without", "all") and target in run.sources
    ]


def dearest_choice(params: Params, target: str, mixture: str) -> dict[str, str]:
    """Return what may be chosen on dev, by role, before anybody knows: ``mixture``, and the longest tries."""
    tuned = [run for run in explore_runs(params) if run.kind == "tuned"]
    tried = {
        role: [run for run in tuned if run.id.startswith(name)]
        for role, name in (("tuned_single", f"tuned_{target}_"), ("tuned_mixture", "tuned_all_"))
    }
    longest = {role: max(runs, key=lambda run: run.epochs).id for role, runs in tried.items() if runs}
    return {"chosen": mixture, **longest}


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


def _mixtures(params: Params) -> list[Run]:
    return [_mixture_run(params, kind, sources) for kind, sources in mixtures(params.study.tasks).values()]


def _confirmed_also(params: Params) -> list[Run]:
    """Return the mixtures of ``study.confirm_also``; they need not be explored, as ``all`` need not."""
    grid = {run.id: run for run in _mixtures(params)}
    unknown = [name for name in params.study.confirm_also if name not in grid]
    if unknown:
        raise ConfigError(
            [f"study.confirm_also: no mixture {name!r}{near(name, grid)}" for name in unknown],
            where="params.yaml",
        )
    return [grid[name] for name in params.study.confirm_also]


def _mixture_run(params: Params, kind: MixtureKind, sources: tuple[str, ...]) -> Run:
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
    space = list(product(_tried_rates(params), params.tune.epochs, params.tune.seeds))
    if params.study.tries > len(space):
        raise ConfigError(
            [f"study.tries is {params.study.tries}, but tune offers only {len(space)} combinations"],
            where="params.yaml",
        )
    order = np.random.default_rng(params.study.seed).permutation(len(space))[: params.study.tries]
    tuned: list[tuple[str, MixtureKind, tuple[str, ...]]] = []
    tuned += [(target, "single", (target,)) for target in params.study.targets]
    tuned += [("all", "all", tuple(params.study.tasks))] if params.study.targets else []
    return [
        replace(
            _mixture_run(params, kind, sources),
            id=f"tuned_{name}_{number}",
            kind="tuned",
            learning_rate=space[index][0],
            epochs=space[index][1],
            seed=space[index][2],
        )
        for name, kind, sources in tuned
        for number, index in enumerate(order, start=1)
    ]


def _tried_rates(params: Params) -> list[float]:
    """Return the learning rates of the tries; six digits, so that no noise of a product changes a run."""
    plain = params.train.learning_rate
    return [float(f"{factor * plain:.6g}") for factor in params.tune.learning_rate_factors]


def _seeded(run: Run, seed: int) -> Run:
    return replace(run, id=f"{run.id}-s{seed}", seed=seed)


def _matched(kind: Literal["steps", "size"], run: Run, like: Run) -> Run:
    """The run's rows (and for ``size`` filler rows), with the steps or the rows of ``matches``."""
    mine, mixture = (one.id.removesuffix(f"-s{like.seed}") for one in (run, like))
    return replace(
        run,
        id=f"{kind}_{mine.removeprefix('single_')}_as_{mixture}-s{like.seed}",
        kind=kind,
        epochs=like.epochs,
        warmup_steps=like.warmup_steps,
        matches=like.id,
    )
