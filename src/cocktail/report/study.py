"""The report stage: tables, figures, and the data of ``dvc plots``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cocktail.claims.rows import read_verdicts
from cocktail.config import Params
from cocktail.files.records import fresh_file, fresh_folder, read_json
from cocktail.report import choices, provenance, results
from cocktail.report.external import judge_tables, published_table, read_published
from cocktail.report.pictures import bar_rows, loss_receipts, write_figures
from cocktail.report.table import Table, write_tables
from cocktail.report.verdicts import verdict_tables


@dataclass(frozen=True)
class Inputs:
    """Where the report's numbers stand."""

    reports: Path  # claims.json, comparison.json and effects.json
    raw: Path
    prepared: Path
    mixtures: Path
    answers: Path
    judge: Path
    bases: Path
    published: Path


def report_study(inputs: Inputs, out: Path, *, params: Params) -> None:
    """Write ``tables``, ``figures`` and ``plots`` below ``out``, each folder whole or not at all."""
    comparison = read_json(inputs.reports / "comparison.json")
    receipts = provenance.read_receipts(inputs.answers, params.models)
    pretrained = provenance.read_bases(inputs.bases, params.models)
    note = provenance.data_note(params)
    tables = study_tables(inputs, comparison, receipts, pretrained, shots=params.answer.shots, note=note)
    with fresh_folder(out / "tables") as folder:
        write_tables(folder, tables)
    with fresh_folder(out / "figures") as folder:
        write_figures(folder, comparison, receipts, pretrained, note=note)
    with fresh_folder(out / "plots") as folder:
        write_plots(folder, comparison, receipts)


def study_tables(
    inputs: Inputs,
    comparison: Mapping[str, Any],
    receipts: Sequence[Mapping[str, Any]],
    pretrained: Mapping[str, provenance.Base],
    *,
    shots: int,
    note: str,
) -> list[Table]:
    """Return all tables of the study."""
    one_seed = f"{note} One seed: exploratory."
    effects = read_json(inputs.reports / "effects.json")
    arms = results.reported_arms(results.arms_frame(comparison))
    return [
        *verdict_tables(read_verdicts(inputs.reports / "claims.json")),
        results.main_table(arms, note=note),
        published_table(arms, read_published(inputs.published), note=note),
        results.contrasts_table(effects, note=note),
        results.effects_table(effects, note=note),
        *(results.cell_table(comparison, key, note=one_seed) for key in results.CELLS),
        results.base_table(comparison, shots=shots, note=note),
        results.scores_table(comparison, note=note),
        results.agreement_table(comparison, note=note),
        choices.curse_table(comparison, note=one_seed),
        choices.budget_table(comparison, note=one_seed),
        choices.advice_table(comparison, note=one_seed),
        choices.advice_curve_table(comparison, note=one_seed),
        provenance.mixtures_table(inputs.mixtures, note=note),
        provenance.runs_table(receipts, note=note),
        provenance.data_table(inputs.raw, inputs.prepared, note=note),
        provenance.pretraining_table(pretrained, note=note),
        *judge_tables(inputs.judge, note=note),
    ]


def write_plots(folder: Path, comparison: Mapping[str, Any], receipts: Sequence[Mapping[str, Any]]) -> None:
    """Write the long CSV files that ``dvc plots`` draws: bars, transfer, leave_one_out, loss."""
    models = dict.fromkeys(row["model"] for row in comparison["arms"])
    bars = pd.concat([bar_rows(comparison, model) for model in models])
    losses = [
        {"model": receipt["model"], "run": receipt["run"], "step": step, "loss": loss}
        for receipt in loss_receipts(receipts)
        for step, loss in receipt["loss"]
    ]
    frames = {
        "bars": bars[["model", "task", "arm", "accuracy_strict", "low", "high", "n_seeds"]],
        **{key: results.cell_frame(comparison, key).dropna(subset=["delta"]) for key in results.CELLS},
        "loss": pd.DataFrame(losses, columns=["model", "run", "step", "loss"]),
    }
    for name, frame in frames.items():
        with fresh_file(folder / f"{name}.csv") as draft:
            frame.to_csv(draft, index=False, lineterminator="\n")
