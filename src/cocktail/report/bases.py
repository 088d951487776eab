"""What bases made from scratch read in pretraining, and what came of it.

A base from the Hub, or behind an endpoint, says nothing of its pretraining: it is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from cocktail.files.records import read_json
from cocktail.report.table import Table

Base = Mapping[str, Any]
PRETRAINING = (
    "text: tokens pretrained on, each once; last loss: mean of the last logged steps, nats a token; copied: "
    "share of repeated word lists that the base goes on with, after pretraining and at the end. The text was "
    "generated."
)


def read_bases(bases: Path, models: Iterable[str]) -> dict[str, Base]:
    """Return the receipt of each base that was made from scratch, by model.

    Raises:
        RecordError: a model has no base.json, or it cannot be read.
    """
    receipts = {model: read_json(bases / model / "base.json") for model in models}
    return {model: receipt for model, receipt in receipts.items() if receipt["kind"] == "scratch"}


def pretraining_table(bases: Mapping[str, Base], *, note: str) -> Table:
    """One row per base."""
    rows = [_facts(model, base) for model, base in bases.items()]
    frame = pd.DataFrame(rows, columns=None if rows else ["model", "parameters", "text"])
    title = "Pretraining of bases made from scratch"
    return Table(name="pretraining", title=title, note=f"{note} {PRETRAINING}", frame=frame, digits=2)


def _facts(model: str, base: Base) -> dict[str, Any]:
    seen, copied = base["pretraining"], base["copy_probe"]
    return {
        "model": model,
        **{key: base[key] for key in ("parameters", "vocabulary")},
        "text": seen["tokens"],
        "steps": seen["steps"],
        "last loss": float(seen["loss"][-1][1]) if seen["loss"] else None,
        "copied": f"{copied['after_pretraining']:.2f}, {copied['at_the_end']:.2f}",
    }
