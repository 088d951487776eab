"""What is confirmed with fresh seeds, once mixtures are chosen on dev.

Per target that is within reach, what a claim compares: the single as the paper trains it, the mixture chosen
on dev, all nine, the single matched to either in optimiser steps and in rows, and the best tuned single and
mixture; and the mixtures of ``study.confirm_also``, those that leave a source out also with as many rows of
filler in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from cocktail.config import Params, general_tasks
from cocktail.data.grid import Asked, Run, asked_whole, explore_runs, mixture_run, mixture_runs, seeded
from cocktail.errors import ConfigError, unknown


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
    lost = [
        f"no explored run is what was chosen for target {target!r}: run choose again"
        for target in targets
        if any(run and run not in grid for run in chosen[target].values())
    ]
    if lost:
        raise ConfigError(lost, where="study.targets")
    every = mixture_run(params, "all", tuple(params.study.tasks))
    also = _confirmed_also(params)
    whole = asked_whole(params, general_tasks(), dev=False)
    runs: dict[str, Run] = {}
    for seed in params.study.confirm_seeds:
        everything = seeded(every, seed)
        for target in targets:
            single = seeded(mixture_run(params, "single", (target,)), seed)
            best = {role: seeded(grid[run], seed) for role, run in chosen[target].items() if run}
            known = {**best, "all": everything}
            matched = [known[name] for name in params.study.confirm_matched if name in known]
            controls = [_matched(kind, single, other) for other in matched for kind in ("steps", "size")]
            for run in (single, *best.values(), everything, *controls):
                _ask(runs, run, (Asked(target, False, None),))
        for mixture in (*([every] if params.study.targets else []), *also):
            _ask(runs, seeded(mixture, seed), whole)
        for mixture in also:
            if mixture.kind == "without" and mixture.id in params.study.confirm_matched:
                filled = _matched("size", seeded(mixture, seed), everything)
                _ask(runs, filled, whole)
    # Stable: what is matched first, so that its steps and rows are known when its controls start.
    return sorted(runs.values(), key=lambda run: bool(run.matches))


def _ask(runs: dict[str, Run], run: Run, asked: tuple[Asked, ...]) -> None:
    """Add a run, or to one that is there what else it is asked."""
    before = runs[run.id].asked if run.id in runs else ()
    known = {one.task for one in before}
    runs[run.id] = replace(run, asked=(*before, *(one for one in asked if one.task not in known)))


def dearest_choice(params: Params, target: str, mixture: str) -> dict[str, str]:
    """Return what may be chosen on dev, by role, before anybody knows: ``mixture``, and the longest tries."""
    tuned = [run for run in explore_runs(params) if run.kind == "tuned"]
    tried = {
        role: [run for run in tuned if run.sources == sources]
        for role, sources in (("tuned_single", (target,)), ("tuned_mixture", tuple(params.study.tasks)))
    }
    longest = {role: max(runs, key=lambda run: run.epochs).id for role, runs in tried.items() if runs}
    return {"chosen": mixture, **longest}


def _confirmed_also(params: Params) -> list[Run]:
    """Return the mixtures of ``study.confirm_also``; they need not be explored, as ``all`` need not."""
    grid = {run.id: run for run in mixture_runs(params)}
    if wrong := unknown(params.study.confirm_also, grid, "study.confirm_also: no mixture"):
        raise ConfigError(wrong, where="params.yaml")
    return [grid[name] for name in params.study.confirm_also]


def _matched(kind: Literal["steps", "size"], run: Run, matches: Run) -> Run:
    """The run's rows (and for ``size`` filler rows), with the steps or the rows of ``matches``."""
    control = replace(run, id=f"{kind}_{run.mixture.removeprefix('single_')}_as_{matches.mixture}")
    return replace(
        seeded(control, matches.seed),
        kind=kind,
        epochs=matches.epochs,
        warmup_steps=matches.warmup_steps,
        matches=matches.id,
    )
