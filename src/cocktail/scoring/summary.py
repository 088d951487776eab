"""Scores per run, task and split, through the package's ``evaluate.Metric`` modules."""

from __future__ import annotations

import pandas as pd

from cocktail.scoring.answers import Evaluation
from cocktail.scoring.metrics.answer_match import AnswerMatch
from cocktail.scoring.metrics.label_scores import LabelScores


class Summariser:
    """Holds one instance of each metric: making one costs more than using it."""

    def __init__(self) -> None:
        self.label_scores = LabelScores(keep_in_memory=True)
        self.answer_match = AnswerMatch(keep_in_memory=True)

    def summarise(
        self, items: pd.DataFrame, evaluation: Evaluation, *, split: str
    ) -> dict[str, float | int | str]:
        """Return one row of the summary: the scores of one run on one split of one task.

        ``decoded`` counts the rows with a label by label decoding; of these the free answer is INVALID in
        ``decoded_invalid``, and in ``decoded_agree`` it is, read strictly, the same label.
        """
        decoded = items[items["label_choice"] != ""]
        return {
            "task": evaluation.task,
            "split": split,
            "n": len(items),
            **self._scores(items, evaluation),
            "knowledge_accuracy": float((decoded["knowledge"] == "ok").mean()),  # of none: NaN
            "decoded": len(decoded),
            "decoded_invalid": int((decoded["strict"] == "invalid").sum()),
            "decoded_agree": int((decoded["read"] == decoded["label_choice"]).sum()),
            "not_stopped": int((~items["stopped"]).sum()),
            "empty": int(items["empty"].sum()),
        }

    def _scores(self, items: pd.DataFrame, evaluation: Evaluation) -> dict[str, float | int]:
        if evaluation.kind in ("label", "choice"):
            scores = self.label_scores.score(
                items["read"].tolist(), items["gold"].tolist(), labels=evaluation.labels
            )
            lenient = float((items["lenient"] == "ok").mean())
            accuracies = {"accuracy_strict": scores["accuracy"], "accuracy_lenient": lenient}
            f1 = {name: scores[name] for name in ("macro_f1", "weighted_f1")}
        else:
            scores = self.answer_match.shares(items["strict"].tolist(), items["lenient"].tolist())
            accuracies = {name: scores[name] for name in ("accuracy_strict", "accuracy_lenient")}
            f1 = {"macro_f1": float("nan"), "weighted_f1": float("nan")}
        invalid = {
            f"invalid_{reading}": int((items[reading] == "invalid").sum())
            for reading in ("strict", "lenient")
        }
        return {**invalid, **accuracies, **f1}
