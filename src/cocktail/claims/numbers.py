"""reports/verdicts.json: verdicts as numbers, for ``dvc metrics diff``.

By model: ``count`` of headline rows by verdict; per primary claim its headline row's ``effect`` in points and
``verdict`` (1 supported, -1 contradicted, 0 any other), once per larger model that it is held against; per
exploratory table the cells ``up`` and ``down`` with q below 0.05. Nested dicts of numbers only: DVC drops
lists and nulls without a word.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from cocktail.claims.cells import FOUND
from cocktail.claims.verdict import CODES, VERDICTS

Row = Mapping[str, Any]


def verdict_numbers(claims: Mapping[str, Any]) -> dict[str, Any]:
    """Return the nested numbers of the content of claims.json, by model."""
    numbers: dict[str, Any] = {}
    counts: dict[str, Counter[str]] = {}
    for claim in claims["claims"]:
        for (model, control), rows in _by_models(claim["verdicts"]).items():
            counts.setdefault(model, Counter())[rows[0]["verdict"]] += 1
            mine = numbers.setdefault(model, {})
            if claim["family"] == "exploratory":
                mine.setdefault("exploratory", {})[claim["id"]] = _found(rows)
            elif rows[0]["primary"]:
                name = claim["id"] if control == model else f"{claim['id']}_vs_{control}"
                mine.setdefault("primary", {})[name] = _headline(rows[0])
    for model, found in counts.items():
        numbers[model]["count"] = {re.sub(r"\W", "_", name): found[name] for name in VERDICTS}
    return numbers


def _by_models(rows: list[Row]) -> dict[tuple[str, str], list[Row]]:
    """Return the rows of each model and of what it is held against: itself, or a larger model."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row["model"], row["control_model"]), []).append(row)
    return found


def _headline(row: Row) -> dict[str, float]:
    shown = {} if row["effect"] is None else {"effect": round(row["effect"], 2)}
    return {**shown, "verdict": CODES.get(row["verdict"], 0)}


def _found(rows: list[Row]) -> dict[str, int]:
    cells = [row["effect"] for row in rows if row["p_adjusted"] is not None and row["p_adjusted"] < FOUND]
    ups = sum(effect > 0 for effect in cells)
    return {"up": ups, "down": len(cells) - ups}
