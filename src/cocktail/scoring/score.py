"""The score stage: item codes and summaries of every stored answer of every model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from cocktail.errors import RecordError
from cocktail.files.records import list_digests, write_table
from cocktail.scoring.answers import SPLITS, STAGES, Evaluation, read_answers, read_asked, read_evaluations
from cocktail.scoring.items import CODES, LOGPROB, score_items
from cocktail.scoring.outcome import Tolerance
from cocktail.scoring.summary import Summariser

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
    summariser = Summariser()
    items, summary = [], []
    for model in models:
        for stage in STAGES:
            folder = _folder(answers, model, stage)
            for run, table in read_answers(folder).items():
                about = read_asked(folder, run)
                where: dict[str, str | int] = {
                    "model": model,
                    "stage": stage,
                    "run": run,
                    "mixture": about.mixture,
                    "seed": about.seed,
                }
                scored = score_items(table, evaluations, run=run, asked=about.asked, tolerance=tolerance)
                scored = scored.assign(**where)
                items.append(scored[[*KEYS, "task", "split", "item", "cluster", *CODES, LOGPROB]])
                summary += [{**where, **row} for row in _rows(scored, evaluations, summariser)]
    all_items, all_rows = pd.concat(items, ignore_index=True), pd.DataFrame(summary)
    write_table(out / "items.parquet", all_items)
    write_table(out / "summary.parquet", all_rows)
    list_digests(out)
    return all_items, all_rows


def _rows(
    scored: pd.DataFrame, evaluations: Mapping[str, Evaluation], summariser: Summariser
) -> list[dict[str, float | int | str]]:
    parts = dict(iter(scored.groupby(["task", "split"])))
    return [
        summariser.summarise(parts[task, split], evaluation, split=split)
        for task, evaluation in evaluations.items()
        for split in SPLITS
        if (task, split) in parts
    ]


def _folder(answers: Path, model: str, stage: str) -> Path:
    folder = answers / model / stage
    if not folder.is_dir():
        raise RecordError(f"no {stage} answers of model {model}", where=str(folder), fix=f"dvc repro {stage}")
    return folder
