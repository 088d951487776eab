"""The table of effects by two roads: recorded headlines one by one, other contrasts record by record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import pandas as pd

from cocktail.report.table import Table

NOTE = (
    "Effects of the recorded studies, computed anew from the recorded answers: by the rule, and without "
    "its code (src/cocktail/studies/simulation/oracle.py). effect, SE: in points, by the rule as it is now; "
    "records made earlier print intervals with unpaired seeds. by the rule now: the verdict on that effect's "
    "interval, before Holm, and without the bar against a choice among a part of the grid (small chose "
    "among 9 of 17 mixtures). gap: between both estimates, in points. "
    "Ratios are the rule's SE by that of the second road. same parts: statsmodels' variances by seeds and"
    " by clusters, added: 1 but for their correction, which it makes over all tasks at once. "
    "two-way: with the part taken off that both hold (never below 1; – where nothing is left). "
    "pigeonhole: seeds and clusters drawn at once, which holds that part three times (1 or less, ± 0.03 "
    "of 2,000 draws). The rule holds it twice. Single contrasts in one row a record, lowest and highest. "
    "Not here: the best of k tries, another estimator."
)
RATIOS = {"summed": "same parts", "two_way": "two-way", "pigeonhole": "pigeonhole"}

Row = Mapping[str, Any]


def agreement_tables(rows: Sequence[Row]) -> list[Table]:
    """Return the table, or none where no record was asked."""
    if not rows:
        return []
    told = [_headline(row) for row in rows if row["headline"]] + list(_summaries(rows))
    return [Table("agreement", "Recorded effects by a second road", NOTE, pd.DataFrame(told), digits=2)]


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
        "recorded verdict": row["verdict"],
        "by the rule now": row["verdict_now"],
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
            "recorded verdict": "",
            "by the rule now": "",
            "gap": _gap(mine),
            **{title: _span(mine, name) for name, title in RATIOS.items()},
        }


def _gap(rows: Sequence[Row]) -> str:
    gap = max(100 * abs(row["estimate"] - row["second"]) for row in rows)
    return "< 1e-9" if gap < 1e-9 else f"{gap:.1e}"


def _span(rows: Sequence[Row], name: str) -> str:
    found = [value for row in rows if (value := ratio(row, name)) is not None]
    return f"{min(found):.3f} to {max(found):.3f}" if found else ""
