"""Share of answers that match the gold answer, for numbers and free text, read strictly and leniently.

The rules stand in :mod:`cocktail.scoring.outcome`. The denominator is the number of references.

``evaluate.load`` takes the path of this file, without a network; it parses imports line by line: no
"import a, b".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate

from cocktail.scoring.outcome import Code, Tolerance, judge
from cocktail.tasks.base import Kind


def answer_match(strict: Sequence[Code], lenient: Sequence[Code]) -> dict[str, float]:
    """Return accuracy_strict, accuracy_lenient, invalid_strict and invalid_lenient, shares in 0..1.

    The same as ``AnswerMatch.compute``, of answers that were judged before, without its Arrow cache,
    which costs 5 ms a call.
    """
    return {
        "accuracy_strict": _share(strict, "ok"),
        "accuracy_lenient": _share(lenient, "ok"),
        "invalid_strict": _share(strict, "invalid"),
        "invalid_lenient": _share(lenient, "invalid"),
    }


def _share(codes: Sequence[Code], code: Code) -> float:
    """The share of ``code``; the denominator is every row, INVALID answers included."""
    return sum(one == code for one in codes) / len(codes)


class AnswerMatch(evaluate.Metric):  # type: ignore[misc]  # evaluate publishes no types
    """Predictions are raw answers, references are gold answers."""

    def _info(self) -> Any:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=__doc__,
            citation="",
            inputs_description="predictions: raw answers; references: gold answers; kind: number or free",
            features=datasets.Features({"predictions": text, "references": text}),
        )

    def _compute(
        self,
        predictions: Sequence[str],
        references: Sequence[str],
        kind: Kind,
        relative_tolerance: float,
        absolute_tolerance: float,
    ) -> dict[str, float]:
        tolerance = Tolerance(relative=relative_tolerance, absolute=absolute_tolerance)
        outcomes = [
            judge(answer, gold, kind=kind, labels=(), tolerance=tolerance)
            for answer, gold in zip(predictions, references, strict=True)
        ]
        return answer_match([one.strict for one in outcomes], [one.lenient for one in outcomes])
