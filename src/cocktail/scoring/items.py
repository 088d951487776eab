"""Each stored answer becomes one row of codes: strict, lenient, and knowledge (label decoding)."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from cocktail.errors import DataError
from cocktail.scoring.answers import Evaluation, check_whole
from cocktail.scoring.outcome import Tolerance, judge

READ = ["read_strict", "read_lenient"]
CODES = ["strict", "lenient", "knowledge"]


def score_items(
    answers: pd.DataFrame, evaluations: Mapping[str, Evaluation], *, run: str, tolerance: Tolerance
) -> pd.DataFrame:
    """Judge every answer of one run.

    Returns:
        One row per item in the order of the prepared data: task, split, item, cluster, gold, answer, the
        codes, what was read, and label_choice, stopped, num_tokens.

    Raises:
        RecordError: the run does not answer each item exactly once.
        DataError: a gold answer cannot be scored.
    """
    check_whole(answers, evaluations, run=run)
    given = answers.set_index("item")[["answer", "label_choice", "stopped", "num_tokens"]]
    parts = []
    for evaluation in evaluations.values():
        rows = evaluation.gold.join(given, on="item", validate="one_to_one").assign(task=evaluation.task)
        parts.append(pd.concat([rows, _codes(rows, evaluation, tolerance=tolerance)], axis=1))
    return pd.concat(parts, ignore_index=True)


def _codes(rows: pd.DataFrame, evaluation: Evaluation, *, tolerance: Tolerance) -> pd.DataFrame:
    try:
        outcomes = [
            judge(answer, gold, kind=evaluation.kind, labels=evaluation.labels, tolerance=tolerance)
            for answer, gold in zip(rows["answer"], rows["gold"], strict=True)
        ]
    except DataError as error:
        raise DataError(error.what, where=f"prepared data of {evaluation.task}", fix=error.fix) from None
    knowledge = [
        ("ok" if choice == gold else "wrong") if choice else ""
        for choice, gold in zip(rows["label_choice"], rows["gold"], strict=True)
    ]
    columns = {name: [getattr(one, name) for one in outcomes] for name in ("strict", "lenient", *READ)}
    return pd.DataFrame({**columns, "knowledge": knowledge}, index=rows.index, dtype="str")
