"""Where label decoding and the free answer name one label: what the knowledge column can be trusted for.

Where a model writes a label freely, greedy generation has taken the best token at every step, so label
decoding must come to the same label, but for rounding and for verbalizers that no training row had. Looked
at are runs trained on the task: others hardly write labels.
"""

from __future__ import annotations

import pandas as pd

from cocktail.analysis.rows import Agreement, AgreementRow
from cocktail.analysis.scores import ModelScores
from cocktail.config import Params

AGREEMENT_POINTS = 99.5  # the share that is claimed; below, a row is flagged
NUM_NAMED = 3  # runs that are named, the lowest first
SUM = "sum"
COUNTS = ["decoded", "decoded_invalid", "decoded_agree"]


def agreement_rows(scores: ModelScores, *, params: Params) -> list[AgreementRow]:
    """Return one row per task with decoded test rows, and their sum: counts, share in points, lowest runs.

    A share is None where no run was trained on the task, or none of their answers could be read. The sum
    counts a run once; it names no lowest runs, as these are lowest on a task.
    """
    counts = scores.summary[COUNTS]
    decoded = counts["decoded"].groupby("task", sort=False).sum()
    tasks = [task for task in params.study.evaluations if decoded.get(task, 0) > 0]
    trained = [
        (stage, run.id, task)
        for stage, runs in (("explore", scores.explored), ("confirm", scores.confirmed))
        for run in runs
        for task in tasks
        if task in run.sources and (stage, run.id, task) in counts.index
    ]
    mine = counts.loc[trained] if trained else counts.iloc[:0]
    found = {task: _row(mine[mine.index.get_level_values("task") == task]) for task in tasks}
    if found:
        found[SUM] = {**_row(mine), "lowest_share": None, "lowest_runs": []}
    return [AgreementRow(model=scores.model, task=task, **row) for task, row in found.items()]


def _row(counts: pd.DataFrame) -> Agreement:
    """Sum the counts of some (stage, run, task)."""
    num_rows, num_invalid, num_agree = (int(counts[name].sum()) for name in COUNTS)
    num_valid = num_rows - num_invalid
    share = 100 * num_agree / num_valid if num_valid else None
    valid = counts["decoded"] - counts["decoded_invalid"]
    shares = (100 * counts["decoded_agree"] / valid)[valid > 0]
    lowest = shares[shares < 100].sort_values(kind="stable")
    return {
        "runs": counts.reset_index()[["stage", "run"]].drop_duplicates().shape[0],
        "rows": num_rows,
        "invalid": num_invalid,
        "valid": num_valid,
        "agree": num_agree,
        "share": None if share is None else round(share, 4),
        "flag": f"under {AGREEMENT_POINTS:g}" if share is not None and share < AGREEMENT_POINTS else "",
        "lowest_share": round(float(lowest.iloc[0]), 4) if len(lowest) else None,
        "lowest_runs": [str(run) for run in lowest.index.get_level_values("run")[:NUM_NAMED]],
    }
