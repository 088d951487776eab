"""Figures as SVG files, with the same bytes for the same numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from cocktail.config import general_tasks
from cocktail.files.records import fresh_file
from cocktail.report.choices import MEAN
from cocktail.report.figures import (
    BARS,
    draw_advice,
    draw_bars,
    draw_budget,
    draw_curse,
    draw_heat_map,
    draw_losses,
    draw_pretraining,
)
from cocktail.report.results import ACROSS, arms_frame, cell_frame, reported_arms

# A fixed salt and no date: equal figures have equal bytes.
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "cocktail",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
NOTE_CHARACTERS = 18  # of the note below a figure, on an inch of it: what does not fit would be cut off
MAPS = {  # table of task x source -> the axis' words, the title
    "transfer": ("added source", "What a pair changes against the single task"),
    "leave_one_out": ("left-out source", "What a source gives: all minus all without it"),
}


def write_figures(
    folder: Path,
    comparison: Mapping[str, Any],
    receipts: Sequence[Mapping[str, Any]],
    bases: Mapping[str, Mapping[str, Any]],
    *,
    note: str,
) -> None:
    """Write the figures of every model as ``<figure>_<model>.svg``.

    Args:
        bases: the receipts of bases made from scratch, by model.
    """
    for model in dict.fromkeys(row["model"] for row in comparison["arms"]):
        with matplotlib.rc_context(STYLE):
            figures = _figures(model, comparison, receipts)
            if model in bases:
                figures["pretraining"], ax = _canvas(8, 4)
                draw_pretraining(ax, bases[model]["pretraining"])
            for name, figure in figures.items():
                told = fill(f"{note} Model {model}.", int(NOTE_CHARACTERS * figure.get_figwidth()))
                figure.supxlabel(told, fontsize=7, x=0.01, ha="left")
                save_figure(folder, f"{name}_{model}", figure)


def _figures(
    model: str, comparison: Mapping[str, Any], receipts: Sequence[Mapping[str, Any]]
) -> dict[str, Figure]:
    figures = {}
    figures["bars"], ax = _canvas(10, 4.6)
    draw_bars(ax, bar_rows(comparison, model))
    for name, (label, title) in MAPS.items():
        cells = _cells(comparison, name, model)
        if cells.empty:  # the study explores no pairs, or not all sources together
            continue
        figures[name], ax = _canvas(7.5, 1.6 + 0.42 * len(cells))
        draw_heat_map(ax, cells, columns=label)
        ax.set_title(title, fontsize=10)
    figures |= _choices(model, comparison)
    shown = [one for one in loss_receipts(receipts) if one["model"] == model and one["loss"]]
    if shown:
        figures["loss"], ax = _canvas(8, 4)
        draw_losses(ax, shown)
    return figures


def _choices(model: str, comparison: Mapping[str, Any]) -> dict[str, Figure]:
    """Winner's curse of all tasks, advice curve of their mean, budget curve of each with tuned singles."""
    curse, budget = (
        [row for row in comparison[name] if row["model"] == model] for name in ("curse", "budget")
    )
    figures = {}
    if curse:
        figures["winners_curse"], ax = _canvas(7.5, 1.6 + 0.35 * len(curse))
        draw_curse(ax, curse)
    for row in comparison["advice_curve"]:
        if (row["model"], row["task"]) == (model, MEAN):
            figures["advice_curve"], ax = _canvas(7.5, 4.2)
            curves = (one for one in comparison["advice_curve"] if one["model"] == model and one["live"])
            draw_advice(ax, row, targets=len(list(curves)) - 1)
    tasks = list(dict.fromkeys(row["task"] for row in budget))
    if tasks:
        figures["budget"] = Figure(figsize=(1 + 4 * len(tasks), 4), layout="constrained")
        axes = figures["budget"].subplots(1, len(tasks), squeeze=False)[0]
        for ax, task in zip(axes, tasks, strict=True):
            draw_budget(ax, [row for row in budget if row["task"] == task]).set_title(task, fontsize=10)
        handles, labels = axes[0].get_legend_handles_labels()
        figures["budget"].legend(
            handles, labels, loc="outside upper center", ncols=4, frameon=False, fontsize=8
        )
    return figures


def bar_rows(comparison: Mapping[str, Any], model: str) -> pd.DataFrame:
    """Return the arms of the finance tasks: confirmed where there are confirmed runs, else explored."""
    frame = reported_arms(arms_frame(comparison))
    return frame[
        (frame["model"] == model) & frame["arm"].isin(list(BARS)) & ~frame["task"].isin(general_tasks())
    ]


def loss_receipts(receipts: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the receipts whose loss is shown: the single tasks and all sources, as they were explored."""
    return [one for one in receipts if one["stage"] == "explore" and one["kind"] in ("single", "all")]


def _cells(comparison: Mapping[str, Any], key: str, model: str) -> pd.DataFrame:
    frame, across = cell_frame(comparison, key), ACROSS[key]
    frame = frame[frame["model"] == model]  # none of an untuned one
    wide = frame.pivot(index="task", columns=across, values="delta").astype(float)
    return wide.loc[list(dict.fromkeys(frame["task"])), list(dict.fromkeys(frame[across]))].dropna(how="all")


def _canvas(width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def save_figure(folder: Path, name: str, figure: Figure) -> None:
    """Write a figure as SVG, without a date."""
    with fresh_file(folder / f"{name}.svg") as draft:
        figure.savefig(draft, format="svg", metadata={"Date": None})
