"""False findings and power of the rule, design by design, beside the ways that it replaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cocktail.report.pictures import STYLE, save_figure
from cocktail.studies.simulation.table import common_of

WAYS = {  # way -> label, colour, marker, how far below its design's line it stands
    "the rule": ("this project's rule", "#0072B2", "o", -0.14),
    "seeds unpaired": ("seeds left unpaired", "#009E73", "D", 0.14),
    "no seed variance": ("same runs, seed variance left out", "#E69F00", "s", 0.0),
    "picked on test, one seed": ("best of 17 picked on test, one seed", "#D55E00", "^", 0.0),
}
TICKS = (0, 1, 2, 3, 4, 5, 10, 20, 50, 100)
LINEAR = 6  # percent; beyond, the scale of false findings is logarithmic
PANELS = (
    ("no difference", "falsely “supported” where nothing differs (%)", "at most"),
    ("detectable difference", "“supported” at the printed detectable effect (%)", "at least"),
)
LEGEND = (
    "Bars: two Monte-Carlo standard errors. pairs, tasks: correlation of seed noise\n"
    "between the arms of a seed, and over the tasks of a seed; all: one mixture answers all tasks; "
    "collapse: share of runs that lose 10 points\n(of one task alone: not held to the bounds)."
)


def write_figure(out: Path, result: Mapping[str, Any]) -> None:
    """Write ``simulation.svg`` into ``out``, as high as its designs need."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10, 2.6 + 0.24 * len(_labels(result))), layout="constrained")
        draw_rates(figure.subplots(1, 2, sharey=True), result)
        figure.supxlabel(f"{result['command']}. {LEGEND}", fontsize=7, x=0.01, ha="left")
        save_figure(out, "simulation", figure)


def draw_rates(axes: Sequence[Axes], result: Mapping[str, Any]) -> None:
    """Draw "supported" where there is no difference (left) and where there is the detectable one (right)."""
    labels = _labels(result)
    for ax, (truth, title, side) in zip(axes, PANELS, strict=True):
        rows = [row for row in result["rows"] if row["truth"] == truth]
        for way, (name, colour, marker, below) in WAYS.items():
            mine = [row for row in rows if row["way"] == way]
            if not mine:
                continue
            shares = [100 * row["shares"]["supported"] for row in mine]
            errors = [200 * row["errors"].get("supported", 0.0) for row in mine]
            places = [labels.index(_label(row)) + below for row in mine]
            ax.errorbar(shares, places, xerr=errors, fmt=marker, color=colour, ms=3.5, lw=1, label=name)
        bounds = [row["bounds"]["supported"] for row in rows if "supported" in row["bounds"]]
        if bounds:
            bound = 100 * bounds[0]
            ax.axvline(bound, color="black", lw=1, ls=":", label=f"bound: {side} {bound:g} %")
        ax.grid(axis="y", lw=0.3, color="#cccccc")
        ax.set_axisbelow(True)
        ax.set_xlabel(title)
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False, fontsize=7, ncols=2)
    axes[0].set_xscale("symlog", linthresh=LINEAR, linscale=2)
    axes[0].set_xticks(TICKS, map(str, TICKS))
    axes[0].minorticks_off()
    axes[0].set_xlim(-0.3, 110)  # markers at zero are whole
    axes[1].set_xlim(50, 101)
    axes[0].set_yticks(range(len(labels)), labels, fontsize=7)
    axes[0].set_ylim(len(labels) - 0.5, -0.5)


def _labels(result: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(_label(row) for row in result["rows"]))


def _label(row: Mapping[str, Any]) -> str:
    tasks = f"{row['tasks']} × " if row["tasks"] > 1 else ""
    common = common_of(row)
    told = f"{tasks}{row['items']} items, {row['seeds']} seeds, SD {row['seed_sd']:g}"
    return f"{told}; {common}" if common else told
