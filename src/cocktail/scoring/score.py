"""The score stage: item codes and summaries of every stored answer of every model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import pandas as pd

from cocktail.errors import RecordError
from cocktail.files.records import list_digests, write_table
from cocktail.scoring.answer_match import answer_match
from cocktail.scoring.answers import SPLITS, STAGES, Evaluation, read_answers, read_asked, read_evaluations
from cocktail.scoring.codes import CODES, LOGPROB, score_items
from cocktail.scoring.label_scores import label_scores
from cocktail.scoring.outcome import Tolerance

KEYS = ["model", "stage", "run", "mixture", "seed"]


def score_study(
    prepared: Path, answers: Path, out: Path, *, models: Sequence[str], tolerance: Tolerance
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score all answers; write ``items.parquet`` and ``summary.parquet`` below ``out`` and return both.

    Accuracies and effects of a study are group-bys of ``items``: one row a run and item, with
    model, stage, run; mixture, seed: of the run, which is their pair where it was confirmed;
    task, split, item, cluster: of the item; strict, lenient, knowledge: how its answer was read, and the
    label that the model prefers ("ok", "wrong", a kind of INVALID, or "" where there is none);
    reference_logprob: of the reference answer, nats a token. Which runs are an arm of a target:
    ``arms`` in comparison.json.

    Models come from params, not from the folder: what a former variant left there is not this study's.

    Raises:
        RecordError: answers of a model are missing, or not whole.
    """
    evaluations = read_evaluations(prepared)
    items, summary = [], []
    for model, stage in product(models, STAGES):
        folder = _folder(answers, model, stage)
        for run, table in read_answers(folder).items():
            about = read_asked(folder, run)
            names: tuple[str | int, ...] = (model, stage, run, about.mixture, about.seed)
            where = dict(zip(KEYS, names, strict=True))
            scored = score_items(table, evaluations, run=run, asked=about.asked, tolerance=tolerance)
            scored = scored.assign(**where)
            items.append(scored[[*KEYS, "task", "split", "item", "cluster", *CODES, LOGPROB]])
            summary += [{**where, **row} for row in _rows(scored, evaluations)]
    all_items, all_rows = pd.concat(items, ignore_index=True), pd.DataFrame(summary)
    write_table(out / "items.parquet", all_items)
    write_table(out / "summary.parquet", all_rows)
    list_digests(out)
    return all_items, all_rows


def _rows(scored: pd.DataFrame, evaluations: Mapping[str, Evaluation]) -> list[dict[str, float | int | str]]:
    parts = dict(iter(scored.groupby(["task", "split"])))
    return [
        _summary(parts[task, split], evaluation, split=split)
        for task, evaluation in evaluations.items()
        for split in SPLITS
        if (task, split) in parts
    ]


def _summary(items: pd.DataFrame, evaluation: Evaluation, *, split: str) -> dict[str, float | int | str]:
    """Return one row of the summary: the scores of one run on one split of one task.

    Both F1 are NaN where answers are no labels. ``decoded`` counts the rows with a label by label decoding;
    of these the free answer is INVALID in ``decoded_invalid``, and in ``decoded_agree`` it is, read strictly,
    the same label.
    """
    match = answer_match(items["strict"].tolist(), items["lenient"].tolist())
    f1 = {"macro_f1": float("nan"), "weighted_f1": float("nan")}
    if evaluation.has_labels:
        f1 = label_scores(items["read"].tolist(), items["gold"].tolist(), labels=evaluation.labels)
    decoded = items[items["label_choice"] != ""]
    return {
        "task": evaluation.task,
        "split": split,
        "n": len(items),
        "invalid_strict": int((items["strict"] == "invalid").sum()),
        "invalid_lenient": int((items["lenient"] == "invalid").sum()),
        "accuracy_strict": match["accuracy_strict"],
        "accuracy_lenient": match["accuracy_lenient"],
        "macro_f1": f1["macro_f1"],
        "weighted_f1": f1["weighted_f1"],
        "knowledge_accuracy": float((decoded["knowledge"] == "ok").mean()),  # of none: NaN
        "decoded": len(decoded),
        "decoded_invalid": int((decoded["strict"] == "invalid").sum()),
        "decoded_agree": int((decoded["read"] == decoded["label_choice"]).sum()),
        "not_stopped": int((~items["stopped"]).sum()),
        "empty": int(items["empty"].sum()),
    }


def _folder(answers: Path, model: str, stage: str) -> Path:
    folder = answers / model / stage
    if not folder.is_dir():
        raise RecordError(f"no {stage} answers of model {model}", where=str(folder), fix=f"dvc repro {stage}")
    return folder
