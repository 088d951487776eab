"""The explored grid, cell by cell: one seed each, so a map with false-discovery rates and no verdicts.

What a source gives to its own task is no cell: that a task is learned from its own rows is not in question.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from cocktail.analysis.scores import ModelScores
from cocktail.analysis.stats.crossed import crossed_effect
from cocktail.analysis.stats.error_control import benjamini_hochberg
from cocktail.claims.arms import extreme
from cocktail.claims.draft import Draft
from cocktail.claims.reasons import EXPLORATORY, Reason, needs
from cocktail.claims.schema import CellsTest
from cocktail.config import Params

FOUND = 0.05  # the share of false ones among the cells that are counted as found
OPEN_ORCA = "open_orca"
ALL_CELLS = "all cells"


@dataclass(frozen=True)
class Cell:
    """One comparison of two explored runs on one task."""

    name: str
    task: str
    more: str
    less: str


def cell_drafts(test: CellsTest, scores: ModelScores, params: Params) -> list[Draft]:
    """Return each cell that the study has with its q, after a row that counts what was found."""
    asked = {task: set(scores.asked("explore", task)) for task in params.study.evaluations}
    cells = [
        cell
        for cell in _cells(test.table, scores, params)
        if cell.more and cell.less and {cell.more, cell.less} <= asked[cell.task]
    ]
    drafts = [_draft(cell, scores, params) for cell in cells]
    q_values = iter(benjamini_hochberg([draft.p for draft in drafts if draft.p is not None]))
    drafts = [draft if draft.p is None else replace(draft, p_adjusted=next(q_values)) for draft in drafts]
    return [_count(scores.model, drafts), *drafts]


def _count(model: str, drafts: Sequence[Draft]) -> Draft:
    tested = [draft for draft in drafts if draft.p_adjusted is not None]
    found = [draft.effect for draft in tested if draft.effect and (draft.p_adjusted or 0.0) < FOUND]
    ups = sum(effect.estimate > 0 for effect in found)
    words = f"{len(found)} of {len(tested)} cells with q < {FOUND:g}: {ups} up, {len(found) - ups} down"
    counted = (EXPLORATORY, Reason(code="cells", detail=words))
    blocked = counted if drafts else (needs("the explored runs of its cells"),)
    return Draft(model=model, scope=ALL_CELLS, reading="strict", headline=True, blocked=blocked)


def _cells(table: str, scores: ModelScores, params: Params) -> Iterator[Cell]:
    study = params.study
    every = frozenset(study.tasks)
    runs = {frozenset(run.sources): run.id for run in reversed(scores.explored) if run.kind != "tuned"}

    def run_of(*sources: str) -> str:
        return runs.get(frozenset(sources), "")

    for task, source in product(study.evaluations, study.tasks):
        if table == "leave_one_out" and source != task:
            more, less = run_of(*every), run_of(*(every - {source}))
            yield Cell(f"{task}: all, {source} left out", task, more, less)
        elif table == "transfer" and task in every and source != task:
            yield Cell(f"{task} + {source}", task, run_of(task, source), run_of(task))
        elif table == "beside_open_orca" and task not in (source, OPEN_ORCA) and source != OPEN_ORCA:
            yield Cell(f"{task}: {source} + {OPEN_ORCA}", task, run_of(source, OPEN_ORCA), run_of(source))


def _draft(cell: Cell, scores: ModelScores, params: Params) -> Draft:
    """One cell; at floor or ceiling the difference is shown, without p."""
    both = scores.outcomes("explore", [cell.more, cell.less], cell.task, "strict")
    clusters = both.clusters
    draft = Draft(
        model=scores.model,
        scope=cell.name,
        reading="strict",
        blocked=(EXPLORATORY,),
        treatment_runs=(cell.more,),
        control_runs=(cell.less,),
    )
    if len(set(clusters)) < 2:
        return replace(draft, blocked=(EXPLORATORY, needs("items of two clusters")))
    confidence = params.compare.confidence
    effect = crossed_effect(both.values[:1], both.values[1:], clusters, confidence=confidence)
    if known := extreme(scores, cell.task, both.values):
        return replace(draft, effect=effect, blocked=(EXPLORATORY, known))
    return replace(draft, effect=effect, p=effect.p)
