"""``cocktail advise --next``: the runs to explore next with what they cost, and the words that run them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cocktail.config import Params
from cocktail.errors import CocktailError
from cocktail.studies.planning.here import minutes
from cocktail.studies.planning.study import plan_study

ALONE = ("study.targets=[]", "study.confirm_seeds=[]", "study.confirm_also=[]", "study.confirm_matched=[]")


def next_text(runs: Sequence[tuple[str, float]], params: Params | None, *, root: Path) -> str:
    """Return the runs to explore next, in lines.

    Args:
        runs: ids, and the points by which each narrows the differences to the best.
        params: the study that they would be added to; None: of a record, whose cost is not planned.
        root: of the repository.
    """
    if not runs:
        return "Next: no run of the grid is left."
    width = max(len(run) for run, _ in runs)
    lines = ["Next, the most telling first (points by which it narrows the differences to the best):"]
    lines += [f"  {run:<{width}}  {settles:5.1f}" for run, settles in runs]
    names = [run for run, _ in runs if run != "base"]  # every study has the base
    if params is not None and names:
        lines.append(_cost(names, params, root))
        known = [*params.study.include, *(name for name in names if name not in params.study.include)]
        lines.append(f"  dvc exp run -S study={params.study.name} -S 'study.include=[{','.join(known)}]'")
    return "\n".join(lines)


def _cost(names: Sequence[str], params: Params, root: Path) -> str:
    included = f"study.include=[{','.join(names)}]"
    try:
        plan = plan_study(root / "conf", params.study.name, [included, *ALONE], root=root)
        tokens = sum(run.tokens for run in plan.runs if run.id in names)
        return (
            f"  together {tokens / 1e6:,.2f} M tokens, about {max(1, minutes(plan, root)):,.0f} minutes here"
        )
    except CocktailError as error:
        return f"  their cost is not known: {error.what}"
