"""False findings and power of the rule, design by design, beside the ways that it replaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

WAYS = {  # way -> label, colour, marker
    "the rule": ("this project's rule", "#0072B2", "o"),
    "no seed variance": ("same runs, seed variance left out", "#E69F00", "s"),
    "picked on test, one seed": ("best of 17 picked on test, one seed", "#D55E00", "^"),
}


def draw_rates(axes: Sequence[Axes], result: Mapping[str, Any]) -> Sequence[Axes]:
    """Draw "supported" where there is no difference (left) and where there is the detectable one (right)."""
    panels = (
        (axes[0], "no difference", "falsely “supported” where nothing differs (%)", "at most"),
        (axes[1], "detectable difference", "“supported” at the printed detectable effect (%)", "at least"),
    )
    labels: list[str] = []
    for ax, truth, title, side in panels:
        rows = [row for row in result["rows"] if row["truth"] == truth]
        labels = list(dict.fromkeys(_label(row) for row in rows))
        for way, (name, colour, marker) in WAYS.items():
            mine = [row for row in rows if row["way"] == way]
            if not mine:
                continue
            shares = [100 * row["shares"]["supported"] for row in mine]
            errors = [200 * row["errors"].get("supported", 0.0) for row in mine]
            places = [labels.index(_label(row)) for row in mine]
            ax.errorbar(shares, places, xerr=errors, fmt=marker, color=colour, ms=5, lw=1, label=name)
        bound = 100 * next(row["bounds"]["supported"] for row in rows if row["way"] == "the rule")
        ax.axvline(bound, color="black", lw=1, ls=":", label=f"bound: {side} {bound:g} %")
        ax.set_xlabel(title)
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.22), frameon=False, fontsize=7)
    axes[0].set_xlim(left=-2)  # markers at zero are whole
    axes[1].set_xlim(50, 100)
    axes[0].set_yticks(range(len(labels)), labels, fontsize=8)
    axes[0].invert_yaxis()
    return axes


def _label(row: Mapping[str, Any]) -> str:
    tasks = f"{row['tasks']} × " if row["tasks"] > 1 else ""
    return f"{tasks}{row['items']} items, {row['seeds']} seeds, SD {row['seed_sd']:g}"
