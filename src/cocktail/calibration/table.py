"""Two tables of error rates: what the rule is held to, and what other ways of judging would have claimed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from cocktail.report.table import Table

NOTE = (
    "{command}: {studies} simulated studies of each design and truth; {candidates} mixtures explored at one "
    "seed, the best on dev trained afresh. Confidence {confidence:.0%}, margin {margin:g} points. Shares in "
    "percent ± Monte-Carlo standard error. items, clusters: of each task; seeds: of each arm; seed SD: of a "
    "run's mean score, in points, heavy-tailed. "
)
HELD = (
    "false supported, false contradicted: where nothing differs. detectable: the median of the effects "
    "(points) that null studies of the design print as detectable; power: supported where that is the truth. "
    "false equality: “equal within the margin” where the difference is the margin; equality found: where "
    "nothing differs. held: yes; no, by more than two standard errors; or within error."
)
OTHERS = (
    "Same studies, in which nothing differs: how often each way would have claimed a gain. Seed variance "
    "left out: the mean of the same fresh runs, as if they were all there could be. Picked on test: the best "
    "of the explored mixtures on test against the explored single, as if it had been the only one."
)
DESIGN = {"tasks": "tasks", "items": "items", "clusters": "clusters", "seeds": "seeds", "seed_sd": "seed SD"}
NULL, DETECTABLE, MARGIN = "no difference", "detectable difference", "difference of the margin"
RULE, EQUALITY = "the rule", "the rule, equality claimed"


def rates_tables(result: Mapping[str, Any]) -> list[Table]:
    """Return both tables, one row a design."""
    note = NOTE.format(**result)
    designs = list(_designs(result))
    held = [_design(rows) | _held(rows) for rows in designs]
    others = [_design(rows) | _others(rows) for rows in designs]
    return [
        Table("held", "The rule of verdicts where the truth is known", note + HELD, pd.DataFrame(held)),
        Table("others", "Gains claimed where nothing differs", note + OTHERS, pd.DataFrame(others)),
    ]


def _designs(result: Mapping[str, Any]) -> Iterator[dict[tuple[str, str], Mapping[str, Any]]]:
    """Yield the rows of each design by truth and way."""
    found: dict[tuple[float, ...], dict[tuple[str, str], Mapping[str, Any]]] = {}
    for row in result["rows"]:
        key = tuple(row[name] for name in DESIGN if name != "clusters")
        found.setdefault(key, {})[row["truth"], row["way"]] = row
    yield from found.values()


def _design(rows: Mapping[tuple[str, str], Mapping[str, Any]]) -> dict[str, Any]:
    null = rows[NULL, RULE]
    shown = {title: null[name] for name, title in DESIGN.items()}
    return shown | {"clusters": round(null["clusters"])}


def _held(rows: Mapping[tuple[str, str], Mapping[str, Any]]) -> dict[str, Any]:
    null, found, margin = rows[NULL, RULE], rows[DETECTABLE, RULE], rows[MARGIN, EQUALITY]
    answers = [answer for row in (null, found, margin) for answer in row["held"].values()]
    return {
        **{f"false {verdict}": _share(null, verdict) for verdict in ("supported", "contradicted")},
        "detectable": found["effect"],
        "power": _share(found, "supported"),
        "false equality": _share(margin, "supported"),
        "equality found": _share(rows[NULL, EQUALITY], "supported"),
        "held": next((worse for worse in ("no", "within error") if worse in answers), "yes"),
    }


def _others(rows: Mapping[tuple[str, str], Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "this rule": _share(rows[NULL, RULE], "supported"),
        "seed variance left out": _share(rows[NULL, "no seed variance"], "supported"),
        "picked on test, one seed": _share(rows[NULL, "picked on test, one seed"], "supported"),
    }


def _share(row: Mapping[str, Any], verdict: str) -> str:
    """The share, and its bound where it has one."""
    shown = f"{100 * row['shares'][verdict]:.1f} ± {100 * row['errors'][verdict]:.1f}"
    if verdict not in row["bounds"]:
        return shown
    sign = "≥" if row["truth"] == DETECTABLE else "≤"
    return f"{shown} ({sign} {100 * row['bounds'][verdict]:g})"
