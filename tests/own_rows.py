"""Invented minutes of an invented bank: rows with a text, a numbered stance and a year."""

from __future__ import annotations

import csv
from pathlib import Path
from random import Random
from typing import Any

SUBJECTS = ("Inflation", "Growth", "Employment", "Spending", "Demand", "Credit")
SAYINGS = (
    ("may call for higher rates", "warrants a firmer stance", "risks overheating"),
    ("may call for lower rates", "warrants more support", "remains too weak"),
    ("was little changed", "was discussed", "was in line with the staff's view"),
)
NAMES = "0=hawkish,1=dovish,2=neutral"


def own_rows(count: int = 400) -> list[dict[str, Any]]:
    """Return that many rows; which saying has which stance is the same for all."""
    random = Random(1)
    rows = []
    for number in range(count):
        stance = random.randrange(3)
        text = f"{random.choice(SUBJECTS)} in district {number} {random.choice(SAYINGS[stance])} ."
        rows.append({"index": number, "year": 2000 + number % 15, "sentence": text, "label": stance})
    return rows


def write_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path
