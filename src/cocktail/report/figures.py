"""Figures. Each function takes an ``ax``, draws one thing and returns it; nothing is read or written here.

Colours are those of Okabe and Ito, told apart by colour-blind readers; differences use a purple-orange map
with zero in the middle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#999999", "#882255")
BARS = {  # arm -> its name and colour
    "base": ("untuned base", "#999999"),
    "single": ("single task", "#56B4E9"),
    "chosen": ("mixture chosen on dev", "#E69F00"),
    "all": ("all sources", "#009E73"),
    "steps_as_chosen": ("single, steps matched", "#CC79A7"),
}


def draw_bars(ax: Axes, arms: pd.DataFrame) -> Axes:
    """Accuracy of base, single and mixtures per task, with intervals and the blind guess.

    Args:
        arms: one row per (task, arm): accuracy_strict, low, high, guess in points, and the seeds.
    """
    tasks, shown = list(dict.fromkeys(arms["task"])), [arm for arm in BARS if arm in set(arms["arm"])]
    width = 0.8 / len(shown)
    for place, arm in enumerate(shown):
        name, colour = BARS[arm]
        rows = arms[arms["arm"] == arm].set_index("task").reindex(tasks)
        x = np.arange(len(tasks)) + (place - (len(shown) - 1) / 2) * width
        height = rows["accuracy_strict"].to_numpy()
        errors = np.stack([height - rows["low"].clip(lower=0), rows["high"].clip(upper=100) - height])
        ax.bar(x, height, width, label=name, color=colour, yerr=errors, error_kw={"lw": 0.8, "capsize": 1.5})
    guesses = arms.groupby("task", sort=False)["guess"].first().to_numpy()
    middle = np.arange(len(tasks))
    ax.hlines(guesses, middle - 0.45, middle + 0.45, color="black", lw=1, ls=":", label="blind guess")
    seeds = arms.groupby("task", sort=False)["n_seeds"].max()
    ax.set_xticks(
        range(len(tasks)), [f"{task}\n{'1 seed' if n == 1 else f'{n} seeds'}" for task, n in seeds.items()]
    )
    ax.set_ylabel("accuracy on test, strict (points)")
    ax.set_ylim(0, 100)
    ax.legend(
        loc="upper center", bbox_to_anchor=(0.5, 1.14), ncols=6, columnspacing=1.2, frameon=False, fontsize=8
    )
    return ax


def draw_heat_map(ax: Axes, cells: pd.DataFrame, *, columns: str) -> Axes:
    """Differences in points as a map with numbers; cells without a number are grey.

    Args:
        cells: index: test tasks; columns: sources; values: points.
        columns: what the sources are, in words.
    """
    values = cells.to_numpy(dtype=float)
    # A source's gift to its own task is far above all others; the colours are for the others.
    own = np.array([[row == column for column in cells.columns] for row in cells.index])
    limit = max(1.0, float(np.nanmax(np.abs(values), initial=0.0, where=~own)))
    ax.set_facecolor("#dddddd")
    image = ax.imshow(np.ma.masked_invalid(values), cmap="PuOr_r", vmin=-limit, vmax=limit, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            ink = "white" if abs(value) > 0.65 * limit else "black"
            shown = f"{round(value):+d}".replace("-", "−").replace("+0", "0")
            ax.text(column, row, shown, ha="center", va="center", color=ink, fontsize=8)
    ax.set_xticks(range(len(cells.columns)), list(cells.columns), rotation=40, ha="right")
    ax.set_yticks(range(len(cells.index)), list(cells.index))
    ax.set_xlabel(columns)
    ax.set_ylabel("test task")
    bar = ax.figure.colorbar(image, ax=ax)
    bar.set_label("points")
    return ax


def draw_losses(ax: Axes, receipts: Sequence[Mapping[str, Any]]) -> Axes:
    """Training loss against the share of the run's steps, one line a run: runs differ much in steps."""
    for place, receipt in enumerate(receipts):
        steps, losses = np.array(receipt["loss"], dtype=float).T
        style = ("-", "--")[place // len(COLOURS) % 2]
        colour = COLOURS[place % len(COLOURS)]
        ax.plot(
            steps / receipt["steps"],
            _smooth(losses),
            style,
            color=colour,
            lw=1.3,
            marker="o" if len(steps) < 10 else "",  # a short run may have one logged step: no line
            markersize=3,
            label=f"{receipt['run']} ({receipt['steps']} steps)",
        )
    ax.set_xlabel("share of the run's optimiser steps")
    ax.set_ylabel("training loss (running mean)")
    ax.set_ylim(bottom=0)
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8)
    return ax


def draw_pretraining(ax: Axes, pretraining: Mapping[str, Any]) -> Axes:
    """Loss over the tokens read, as logged: each point a mean of the steps before it.

    Args:
        pretraining: tokens, steps and loss as [step, nats a token], as in base.json.
    """
    steps, losses = np.array(pretraining["loss"], dtype=float).reshape(-1, 2).T
    millions = pretraining["tokens"] / 1e6
    ax.plot(steps / pretraining["steps"] * millions, losses, color=COLOURS[0], lw=1.3)
    ax.set_xlabel("tokens read (millions)")
    ax.set_ylabel("loss (nats a token)")
    ax.set_xlim(left=0)
    return ax


def _smooth(values: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Mean over a window of a twentieth of the run, shorter at its ends; noise would hide the lines."""
    window = max(1, len(values) // 20)
    return pd.Series(values).rolling(window, center=True, min_periods=1).mean().to_numpy()
