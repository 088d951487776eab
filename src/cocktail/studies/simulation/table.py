"""Tables of ``cocktail simulate``: what the rule is held to, its power, what other ways would have claimed.

The last is of effects by two roads: recorded headlines one by one, other contrasts record by record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import pandas as pd

from cocktail.report.error_rates import DETECTABLE, NULL, RULE
from cocktail.report.table import Table
from cocktail.studies.simulation.rates import NO_GAIN, PICKED

NOTE = (
    "{command}: {studies} simulated studies of each design with no and with the detectable difference, "
    "half as many of every other truth, four times as many without difference where runs collapse on "
    "three tasks. Each task has {candidates} mixtures, explored at one seed, the best on 150 dev rows (of"
    " a recorded study: as many as it has) trained afresh, and a single. Confidence {confidence:.0%}, "
    "margin {margin:g} points. Shares in percent ± Monte-Carlo standard error. items, clusters: of each "
    "task; seeds: of each arm; seed SD: of a run's mean score, in points, heavy-tailed. common: what runs"
    " have in common, as correlation of seed noise (pairs: of both arms' runs of one seed and task; "
    "tasks: of the treatment's runs of one seed); all: one mixture answers all tasks and is left "
    "unpaired; collapse: share of the treatment's runs that lose 10 points, at equal expectation. "
)
HELD = (
    "false supported, false contradicted: where nothing differs; what has no bound is printed, not held "
    "to: one task alone is no headline where runs collapse. detectable: the median of the effects "
    "(points) that null studies of the design print as detectable; power: supported where that is the "
    "truth. false no gain: “not better” where the gain is the margin; no gain found:"
    " where nothing differs. held: yes; no, by more than two standard errors; or within error."
)
POWERS = (
    "How often a gain of three and of five points is found, by the rule and with the seeds left unpaired,"
    " as in the rule's first edition; and how often either finds one where there is none."
)
OTHERS = (
    "Same studies, in which nothing differs: how often each way would have claimed a gain. Seed variance "
    "left out: the mean of the same fresh runs, as if they were all there could be. Picked on test: each "
    "task's best explored mixture on test against the explored single, as if it had been the only one."
)
DESIGN = {"tasks": "tasks", "items": "items", "clusters": "clusters", "seeds": "seeds", "seed_sd": "seed SD"}
MARGIN = "difference of the margin"
MADE_WITH = ("tasks", "items", "seeds", "seed_sd", "correlation", "over_tasks", "collapse", "treatment")

ROADS = (
    "Effects of the recorded studies, computed anew from the recorded answers: by the rule, and without "
    "its code (src/cocktail/studies/simulation/oracle.py). effect, SE: in points, by the rule. "
    "gap: between both estimates, in points. "
    "Ratios are the rule's SE by that of the second road. same parts: statsmodels' variances by seeds and"
    " by clusters, added: 1 but for their correction, which it makes over all tasks at once. "
    "two-way: with the part taken off that both hold (never below 1; – where nothing is left). "
    "pigeonhole: seeds and clusters drawn at once, which holds that part three times (1 or less, ± 0.03 "
    "of 2,000 draws). The rule holds it twice. Single contrasts in one row a record, lowest and highest."
)
RATIOS = {"summed": "same parts", "two_way": "two-way", "pigeonhole": "pigeonhole"}

Row = Mapping[str, Any]
Rows = Mapping[tuple[str, str], Row]  # of a design, by truth and way


def all_tables(result: Mapping[str, Any]) -> list[Table]:
    """Return three tables of rates, one row a design, and the second road's where records were asked."""
    note = NOTE.format(**result)
    designs = list(_designs(result))
    frames = [
        pd.DataFrame([_design(rows) | told(rows) for rows in designs]) for told in (_held, _powers, _others)
    ]
    return [
        Table("held", "The rule of verdicts where the truth is known", note + HELD, frames[0]),
        Table("powers", "What pairing the seeds is worth", POWERS, frames[1]),
        Table("others", "Gains claimed where nothing differs", OTHERS, frames[2]),
        *agreement_tables(result["agreement"]),
    ]


def common_of(row: Row) -> str:
    """Return in words what the runs of a design have in common, and whether some collapse."""
    told = [
        "all" if row["treatment"] == "one mixture" else "",
        f"pairs {row['correlation']:g}" if row["correlation"] else "",
        f"tasks {row['over_tasks']:g}" if row["over_tasks"] else "",
        f"collapse {row['collapse']:g}" if row["collapse"] else "",
    ]
    return ", ".join(filter(None, told))


def _designs(result: Mapping[str, Any]) -> Iterator[Rows]:
    """Yield the rows of each design by truth and way."""
    for _, rows in groupby(result["rows"], key=itemgetter(*MADE_WITH)):
        yield {(row["truth"], row["way"]): row for row in rows}


def _design(rows: Rows) -> dict[str, Any]:
    null = rows[NULL, RULE]
    shown = {title: null[name] for name, title in DESIGN.items()}
    return shown | {"clusters": round(null["clusters"]), "common": common_of(null)}


def _held(rows: Rows) -> dict[str, Any]:
    null, found, margin = rows[NULL, RULE], rows[DETECTABLE, RULE], rows[MARGIN, NO_GAIN]
    answers = [answer for row in (null, found, margin) for answer in row["held"].values()]
    worst = next((worse for worse in ("no", "within error") if worse in answers), "yes")
    return {
        **{f"false {verdict}": _share(null, verdict) for verdict in ("supported", "contradicted")},
        "detectable": found["effect"],
        "power": _share(found, "supported"),
        "false no gain": _share(margin, "supported"),
        "no gain found": _share(rows[NULL, NO_GAIN], "supported"),
        "held": worst if answers else "not held to",
    }


def _powers(rows: Rows) -> dict[str, Any]:
    return {
        f"{title}, {name}": _share(rows[truth, way], "supported", bound=False)
        for truth, title in (("three points", "+3"), ("five points", "+5"), (NULL, "none"))
        for way, name in ((RULE, "the rule"), ("seeds unpaired", "unpaired"))
    }


def _others(rows: Rows) -> dict[str, Any]:
    return {
        "this rule": _share(rows[NULL, RULE], "supported"),
        "seed variance left out": _share(rows[NULL, "no seed variance"], "supported"),
        PICKED: _share(rows[NULL, PICKED], "supported") if (NULL, PICKED) in rows else "",
    }


def _share(row: Row, verdict: str, *, bound: bool = True) -> str:
    """The share, and its bound where it has one."""
    shown = f"{100 * row['shares'][verdict]:.1f} ± {100 * row['errors'][verdict]:.1f}"
    if not bound or verdict not in row["bounds"]:
        return shown
    sign = "≥" if row["truth"] == DETECTABLE else "≤"
    return f"{shown} ({sign} {100 * row['bounds'][verdict]:g})"


def agreement_tables(rows: Sequence[Row]) -> list[Table]:
    """Return the table, or none where no record was asked."""
    if not rows:
        return []
    told = [_headline(row) for row in rows if row["headline"]] + list(_summaries(rows))
    return [Table("agreement", "Recorded effects by a second road", ROADS, pd.DataFrame(told), digits=2)]


def ratio(row: Row, name: str) -> float | None:
    """Return the rule's standard error by another road's; none where that is zero."""
    return row["se"] / row[name] if row[name] > 1e-12 else None


def _headline(row: Row) -> dict[str, Any]:
    ratios = {title: ratio(row, name) for name, title in RATIOS.items()}
    return {
        "record": row["record"],
        "claim or contrasts": row["contrast"],
        "tasks": " ".join(row["tasks"]),
        "effect": 100 * row["estimate"],
        "SE": 100 * row["se"],
        "gap": _gap([row]),
        **{title: "" if found is None else f"{found:.3f}" for title, found in ratios.items()},
    }


def _summaries(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    for record, group in groupby((row for row in rows if not row["headline"]), itemgetter("record")):
        mine = list(group)
        yield {
            "record": record,
            "claim or contrasts": f"{len(mine)} contrasts of one task",
            "tasks": " ".join(dict.fromkeys(row["tasks"][0] for row in mine)),
            "effect": None,
            "SE": None,
            "gap": _gap(mine),
            **{title: _span(mine, name) for name, title in RATIOS.items()},
        }


def _gap(rows: Sequence[Row]) -> str:
    gap = max(100 * abs(row["estimate"] - row["second"]) for row in rows)
    return "< 1e-9" if gap < 1e-9 else f"{gap:.1e}"


def _span(rows: Sequence[Row], name: str) -> str:
    found = [value for row in rows if (value := ratio(row, name)) is not None]
    return f"{min(found):.3f} to {max(found):.3f}" if found else ""
