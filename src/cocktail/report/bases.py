"""What bases made from scratch were pretrained on, and how well they read held-out text.

A base from the Hub, or behind an endpoint, says nothing of its pretraining: it is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from cocktail.records import read_json
from cocktail.report.table import Table

Base = Mapping[str, Any]
PRETRAINING = (
    "text: tokens pretrained on, each once; last loss: mean of the last logged steps, nats a token; copied: "
    "share of repeated word lists that the base goes on with, after pretraining and at the end. Held out: "
    "passages that were not trained on, read after pretraining; others of the same documents were trained "
    "on, so what documents repeat makes them easier. Bits a byte do not hang on the tokenizer. No corpus: "
    "the text was generated."
)
CORPORA = (
    "A corpus is cut into passages; those that share a run of words with a row of an evaluated set are left "
    "out. drawn: at random, for a base to read as many tokens of as it is to. held out: of these, not read."
)


def read_bases(bases: Path, models: Iterable[str]) -> dict[str, Base]:
    """Return the receipt of each base that was made from scratch, by model.

    Raises:
        RecordError: a model has no base.json, or it cannot be read.
    """
    receipts = {model: read_json(bases / model / "base.json") for model in models}
    return {model: receipt for model, receipt in receipts.items() if receipt["kind"] == "scratch"}


def pretraining_table(bases: Mapping[str, Base], *, note: str) -> Table:
    """One row per base and held-out corpus; one row of a base without any."""
    rows = [
        {**_facts(model, base), "held-out corpus": corpus, **_held_out(measured)}
        for model, base in bases.items()
        for corpus, measured in (base["pretraining"]["held_out"] or {"": {}}).items()
    ]
    frame = pd.DataFrame(rows, columns=None if rows else ["model", "parameters", "text"])
    title = "Pretraining of bases made from scratch, and their perplexity on held-out text"
    return Table(name="pretraining", title=title, note=f"{note} {PRETRAINING}", frame=frame, digits=2)


def corpora_tables(corpus: Path, *, note: str) -> list[Table]:
    """What was read of each corpus, and how many passages each evaluated set ruled out.

    Args:
        corpus: the counts of stage ``corpus``.
    """
    receipt = read_json(corpus)
    rows = [
        {
            "corpus": name,
            "licence": counts["licence"],
            **{key: counts[key] for key in ("documents", "passages")},
            "with overlap": counts["passages_with_overlap"],
            "drawn": counts["drawn"]["passages"],
            "characters drawn": counts["drawn"]["characters"],
            "held out": counts["drawn"]["held_out"],
            "sha256": counts["sha256"],
        }
        for name, counts in receipt["corpora"].items()
    ]
    overlap = receipt.get("overlap", {"words": 0, "passages_by_set": {}})  # no corpora, nothing to check
    hits = [{"evaluated set": name, "passages": n} for name, n in overlap["passages_by_set"].items()]
    return [
        Table(
            name="corpora",
            title="Corpora that a base was pretrained on",
            note=f"{note} {CORPORA if rows else 'No base of this study reads a corpus.'}",
            frame=pd.DataFrame(rows, columns=None if rows else ["corpus", "documents", "passages"]),
            hidden=("sha256",) if rows else (),
        ),
        Table(
            name="corpora_overlap",
            title="Passages of the corpora that were left out, by the evaluated set that they overlap with",
            note=f"{note} Shared: a run of {overlap['words']} words; a passage may overlap with several sets."
            if rows
            else f"{note} No base of this study reads a corpus.",
            frame=pd.DataFrame(hits, columns=["evaluated set", "passages"]),
        ),
    ]


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


def _held_out(measured: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "held-out tokens": measured.get("tokens", ""),
        "held-out loss": measured.get("loss"),
        "perplexity": measured.get("perplexity"),
        "bits a byte": measured.get("bits_per_byte"),
    }
