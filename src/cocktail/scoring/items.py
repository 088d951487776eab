"""One row per item: its codes, with task, split, cluster and gold, and knowledge (label decoding)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from cocktail.data.grid import Asked
from cocktail.scoring.answers import Evaluation, asked_items
from cocktail.scoring.codes import code_answers
from cocktail.scoring.outcome import Tolerance

CODES = ["strict", "lenient", "knowledge"]
LOGPROB = "reference_logprob"  # nats a token, on test items of what is not trained on


def score_items(
    answers: pd.DataFrame,
    evaluations: Mapping[str, Evaluation],
    *,
    run: str,
    asked: Sequence[Asked],
    tolerance: Tolerance,
) -> pd.DataFrame:
    """Score one run, given as answers or as codes.

    Returns:
        One row per item in the order of the prepared data: task, split, item, cluster, gold, the codes, and
        read, label_choice, stopped, empty, reference_logprob.

    Raises:
        RecordError: the run does not answer each item exactly once, or its codes were made otherwise.
        DataError: a gold answer cannot be scored.
    """
    codes = code_answers(answers, evaluations, run=run, asked=asked, tolerance=tolerance).set_index("item")
    parts = []
    for one in asked:
        gold = asked_items(evaluations[one.task], one)
        rows = gold.join(codes, on="item", validate="one_to_one").assign(task=one.task)
        knowledge = [
            ("ok" if choice == gold else "wrong") if choice else ""
            for choice, gold in zip(rows["label_choice"], rows["gold"], strict=True)
        ]
        parts.append(rows.assign(knowledge=pd.Series(knowledge, index=rows.index, dtype="str")))
    return pd.concat(parts, ignore_index=True)
