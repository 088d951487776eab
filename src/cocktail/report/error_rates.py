"""How often the rule of verdicts errs, in a few sentences, from the recorded simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cocktail.files.records import read_json

RULE, NULL, DETECTABLE = "the rule", "no difference", "detectable difference"

Row = Mapping[str, Any]


def error_rates(path: Path) -> str:
    """Return false verdicts, and the power at the printed detectable effect; ``path``: simulation.json.

    A design is held to a bound where its number has one; what misses its bound is named, one by one.
    """
    if not path.is_file():
        return "The rule was not simulated.\n"
    rows = [row for row in read_json(path)["rows"] if row["way"] == RULE]
    null = [row for row in rows if row["truth"] == NULL]
    bound = [row for row in null if "supported" in row["bounds"]]
    power = [row for row in rows if row["truth"] == DETECTABLE and "supported" in row["bounds"]]
    missed = [row for row in bound if row["held"]["supported"] == "no"]
    free = [row for row in null if row not in bound]
    held = [row for row in bound if row not in missed]
    sentences = [
        f"Where nothing differs, a headline comes out “supported” in {_range(held)} of simulated studies "
        f"(bound: 5 %), “contradicted” in {_range(bound, 'contradicted')}.",
        *(
            f"The bound is missed by one design ({_design([row])}): “supported” in {_range([row])}."
            for row in missed
        ),
        *([f"Held to no bound ({_design(free)}): “supported” in {_range(free)}."] if free else []),
        f"The printed detectable effect is found in {_range(power)}.",
    ]
    return "\n".join([*sentences, ""])


def _design(rows: Sequence[Row]) -> str:
    """What designs have in common and where they differ: ``tasks: 3; seeds: 3 or 5``."""
    tasks, seeds, collapse = (_values(rows, name) for name in ("tasks", "seeds", "collapse"))
    parts = [f"tasks: {tasks}", f"seeds: {seeds}"]
    return "; ".join(parts if collapse == "0" else [*parts, f"share of runs that collapse: {collapse}"])


def _values(rows: Sequence[Row], name: str) -> str:
    return " or ".join(f"{value:g}" for value in sorted({row[name] for row in rows}))


def _range(rows: Sequence[Row], verdict: str = "supported") -> str:
    shares = [100 * row["shares"][verdict] for row in rows]
    low, high = f"{min(shares):.1f}", f"{max(shares):.1f}"
    return f"{low} %" if low == high else f"{low} to {high} %"
