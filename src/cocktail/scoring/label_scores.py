"""Accuracy, macro and weighted F1 over a fixed label set.

INVALID is a wrong prediction of no class: it lowers the recall of the gold class and gives nothing to any
other. (A published scorer that puts the gold label in its place, or the majority class, gives a model points
for noise.) The label set is fixed by the task, not by what happens to be predicted; a label that is neither
gold nor predicted has F1 = 0, as in scikit-learn with ``zero_division=0``.

``evaluate.load`` takes the path of this file, without a network; it parses imports line by line: no
"import a, b".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np

from cocktail.errors import DataError


def label_scores(
    predictions: Sequence[str], references: Sequence[str], *, labels: Sequence[str]
) -> dict[str, float]:
    """Return accuracy, macro_f1 and weighted_f1 in 0..1.

    The same as ``LabelScores.compute`` without its Arrow cache, which costs 5 ms a call.

    Raises:
        DataError: a reference is no label.
    """
    if wrong := set(references) - set(labels):
        raise DataError(f"a gold label is none of {', '.join(labels)}: {min(wrong)}")
    predicted, gold, names = np.array(predictions), np.array(references), np.array(labels)
    is_predicted, is_gold = predicted[:, None] == names, gold[:, None] == names
    right = (is_predicted & is_gold).sum(axis=0)
    support = is_gold.sum(axis=0)
    f1 = 2 * right / np.maximum(is_predicted.sum(axis=0) + support, 1)
    return {
        "accuracy": float((predicted == gold).mean()),
        "macro_f1": float(f1.mean()),
        "weighted_f1": float(f1 @ support / support.sum()),
    }


class LabelScores(evaluate.Metric):  # type: ignore[misc]  # evaluate publishes no types
    """Predictions are labels or INVALID, references are labels."""

    def _info(self) -> Any:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=__doc__,
            citation="",
            inputs_description="predictions: a label or INVALID; references: a label; labels: the label set",
            features=datasets.Features({"predictions": text, "references": text}),
        )

    def _compute(
        self, predictions: Sequence[str], references: Sequence[str], labels: Sequence[str]
    ) -> dict[str, float]:
        return label_scores(predictions, references, labels=labels)
