"""Finished runs into git, as receipt and codes: a study on real data may take several goes.

The licences of real data forbid its text in git, and answers may repeat it; see :mod:`cocktail.runs.kept`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import track

from cocktail.analysis.selection import confirmed_choices
from cocktail.config import Params
from cocktail.data.confirmation import confirm_runs
from cocktail.data.grid import Run, explore_runs
from cocktail.runs.kept import Coded, KeptRuns, keep
from cocktail.runs.runs import StageInputs, finished_runs
from cocktail.scoring.answers import read_evaluations
from cocktail.scoring.codes import basis, check_codes, code_answers, has_text
from cocktail.scoring.outcome import Tolerance


def needs_keeping(params: Params) -> bool:
    """Tell whether a study uses real data; a study on generated data can be made again by anybody."""
    used = (*params.study.tasks, *params.study.evaluations, params.prepare.filler_from)
    return any(params.fetch.sources[task].status != "generated" for task in used)


def keep_runs(root: Path, params: Params, *, kept: Path) -> int:
    """Write receipt and codes of every run that is done and not kept yet; return how many are done.

    The stages need not be: what the store has of a study that is still running is kept. An endpoint's
    answers are not: its replies go from store to store with ``cocktail replies``.

    Args:
        root: the top of the repository, with the outputs of the stages before explore.

    Raises:
        RecordError: a table holds something else than ids, codes and labels; or outputs are missing.
        RunError: a file of a run was changed.
    """
    evaluations = read_evaluations(root / "data/prepared")
    tolerance = Tolerance(params.score.relative_tolerance, params.score.absolute_tolerance)
    bases = {task: basis(one, tolerance=tolerance) for task, one in evaluations.items()}
    before = KeptRuns(kept)
    done = [
        one
        for model in models_here(params)
        for _, runs, inputs in stages_of(root, params, model=model, kept=kept)
        for one in finished_runs(runs, inputs)
    ]
    console = Console(stderr=True)
    new = []
    for finished in track(done, "keep runs", console=console, disable=not console.is_terminal):
        lacking = [one for one in finished.answers if not before.holds(one.key, bases[one.asked.task])]
        fresh = replace(finished, answers=tuple(one for one in lacking if has_text(one.read())))
        if fresh.answers:
            asked = [one.asked for one in fresh.answers]
            codes = code_answers(
                fresh.table(), evaluations, run=fresh.run.id, asked=asked, tolerance=tolerance
            )
            check_codes(codes, evaluations)
            new.append(Coded(fresh, codes, bases))
    if new:
        keep(kept, new)
    return len(done)


def models_here(params: Params) -> list[str]:
    """Return the models that are trained or answer here, and not on somebody's server."""
    return [model for model, config in params.models.items() if config.kind != "endpoint"]


def stages_of(
    root: Path, params: Params, *, model: str, kept: Path
) -> Iterator[tuple[str, Sequence[Run], StageInputs]]:
    """Yield name, runs and inputs of explore and, when mixtures are selected, of confirm."""
    base, prepared = root / "artifacts/base" / model, root / "data/prepared"
    inputs = StageInputs(params, model, prepared, base, root / "artifacts/mixtures", kept)
    yield "explore", explore_runs(params, model=model), inputs
    selected = root / "artifacts/selected" / f"{model}.json"
    if selected.is_file():
        runs = confirm_runs(params, confirmed_choices(selected, params), model=model)
        yield "confirm", runs, replace(inputs, mixtures=None)
