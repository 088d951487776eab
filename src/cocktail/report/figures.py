"""Figures. Each function takes an ``ax``, draws one thing and returns it; nothing is read or written here.

Scores, differences and losses come first, then choices: budget curve, winner's curse, advice curve. Colours
are those of Okabe and Ito, told apart by colour-blind readers; differences use a purple-orange map with zero
in the middle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#999999", "#882255")
BARS = {  # arm -> its name and colour
    "base": ("untuned base", "#999999"),
    "single": ("single task", "#56B4E9"),
    "chosen": ("mixture chosen on dev", "#E69F00"),
    "all": ("all sources", "#009E73"),
    "steps_as_chosen": ("single, steps matched", "#CC79A7"),
}
ARMS = {"singles": ("tuned singles", "#56B4E9", "o"), "mixtures": ("mixtures", "#E69F00", "s")}
DEV, TEST = "#0072B2", "#D55E00"
RULES = {
    "always_single": ("always the single task", "#56B4E9", ":"),
    "always_all": ("always all sources", "#009E73", "--"),
    "best_fitted": ("best measured, all runs known", "#CC79A7", "-."),
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


def draw_budget(ax: Axes, rows: Sequence[Mapping[str, Any]]) -> Axes:
    """Expected test score of the best of k tries of one task: picked on dev (solid), on test (dotted).

    Args:
        rows: of one model and task: arm, k, picked_on_dev, picked_on_test, in points.
    """
    for arm, (name, colour, marker) in ARMS.items():
        mine = [row for row in rows if row["arm"] == arm]
        tries = [row["k"] for row in mine]
        on_dev, on_test = ([row[f"picked_on_{split}"] for row in mine] for split in ("dev", "test"))
        ax.plot(tries, on_dev, marker=marker, color=colour, ms=4, label=f"{name}, picked on dev")
        ax.plot(tries, on_test, ":", color=colour, lw=1.2, label=f"{name}, picked on test")
    equal = min(max(row["k"] for row in rows if row["arm"] == arm) for arm in ARMS)
    ax.axvline(equal, color="#999999", lw=0.8, zorder=0)
    ax.annotate("equal tries up to here", (equal, 1.0), (3, -2), xycoords=("data", "axes fraction"),
                textcoords="offset points", va="top", fontsize=7, color="#666666")  # fmt: skip
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("number of tries k")
    ax.set_ylabel("accuracy on test (strict, points)")
    return ax


def draw_curse(ax: Axes, rows: Sequence[Mapping[str, Any]]) -> Axes:
    """Gain over the single of each task: mixture picked on dev, and on test; the line between is the curse.

    Args:
        rows: of one model: task, gain_on_dev_choice, gain_on_test_choice, in points.
    """
    places = range(len(rows))
    on_dev, on_test = ([row[f"gain_on_{split}_choice"] for row in rows] for split in ("dev", "test"))
    ax.hlines(places, on_dev, on_test, color="#999999", lw=2, zorder=1)
    # A ring and a small mark inside it: both are seen where both picks are one.
    ax.scatter(
        on_dev, places, s=90, facecolors="none", edgecolors=DEV, lw=1.8, zorder=2, label="picked on dev"
    )
    ax.scatter(on_test, places, s=22, color=TEST, marker="^", zorder=3, label="picked on test")
    ax.axvline(0, color="black", lw=0.8, zorder=0)
    ax.set_yticks(places, [row["task"] for row in rows])
    ax.invert_yaxis()
    ax.set_xlabel("gain on test over the single task (strict, points)")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.16), ncols=2, frameon=False, fontsize=8)
    return ax


def draw_advice(ax: Axes, row: Mapping[str, Any], *, targets: int) -> Axes:
    """Regret of the advice over the number of runs that it knows, beside rules that need no model.

    Args:
        row: of the mean over as many targets: picked, random, low, high by k, and the rules.
    """
    runs = range(len(row["picked"]))
    ax.fill_between(runs, row["low"], row["high"], color="#dddddd", lw=0, label="random order, 10–90 %")
    ax.plot(runs, row["random"], color="#666666", lw=1.3, label="random order, mean")
    ax.plot(runs, row["picked"], color=DEV, lw=2, marker="o", ms=3, label="most telling run next")
    for name, (label, colour, style) in RULES.items():
        ax.axhline(row[name], color=colour, ls=style, lw=1.5, label=label)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12, steps=[1, 5, 10]))
    ax.set_xlim(0, max(1, len(runs) - 1))
    ax.set_ylim(bottom=-0.02 * ax.get_ylim()[1])  # a line at zero is seen whole
    ax.set_xlabel("number of explored runs k that the advice knows")
    ax.set_ylabel(f"regret: points below the best on test\n(strict; mean over targets, n = {targets})")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.2), ncols=3, frameon=False, fontsize=8)
    return ax
