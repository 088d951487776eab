"""Figures of choices: budget curve, winner's curse, advice curve. Each takes an ``ax`` and returns it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

ARMS = {"singles": ("tuned singles", "#56B4E9", "o"), "mixtures": ("mixtures", "#E69F00", "s")}
DEV, TEST = "#0072B2", "#D55E00"
RULES = {
    "always_single": ("always the single task", "#56B4E9", ":"),
    "always_all": ("always all sources", "#009E73", "--"),
    "best_fitted": ("best measured, all runs known", "#CC79A7", "-."),
}


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
