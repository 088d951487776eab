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

KEYS = ["model", "stage", "run"]


def score_study(
    prepared: Path, answers: Path, out: Path, *, models: Sequence[str], tolerance: Tolerance
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score all answers; write ``items.parquet`` and ``summary.parquet`` below ``out`` and return both.

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
                where = {"model": model, "stage": stage, "run": run}
                asked = read_asked(folder, run)
                scored = score_items(table, evaluations, run=run, asked=asked, tolerance=tolerance)
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
