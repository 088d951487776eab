"""Stage ``corpus``: passages to pretrain on and to hold out, instruction rows, and all counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cocktail.config import CorporaConfig, Params
from cocktail.corpora import INSTRUCTIONS, RECEIPT, TEXT
from cocktail.corpora.instructions import instruction_rows
from cocktail.corpora.overlap import Overlap
from cocktail.corpora.read import check_corpus, corpora_folder, passages, read_documents
from cocktail.data.load import load_source
from cocktail.errors import SourceError
from cocktail.records import fresh_folder, write_json, write_table
from cocktail.tasks import load_task


def make_corpus(raw: Path, out: Path, *, params: Params, counts: Path) -> None:
    """Write ``text.parquet`` (corpus, split, text), ``instructions.parquet`` and the receipt into ``out``.

    The receipt is written to ``counts``, too: text stays where it was made, counts go with the results.

    Every passage of every corpus is checked against every row of every source that can be evaluated, train
    rows included (dev is carved from them). Without corpora the folder holds a receipt only.

    Raises:
        SourceError: a corpus is missing, unreadable, another one, or too small for its share.
        DataError: a raw file cannot be read.
    """
    with fresh_folder(out) as folder:
        receipt = _write_corpus(raw, folder, params) if params.corpora.files else {"corpora": {}}
        write_json(folder / RECEIPT, receipt)
    write_json(counts, receipt)


def _write_corpus(raw: Path, folder: Path, params: Params) -> dict[str, Any]:
    """Write text and instruction rows; return the receipt."""
    config = params.corpora
    overlap = Overlap(_evaluated(raw, params), num_words=config.overlap_words)
    rng = np.random.default_rng(config.seed)
    tables, counts = [], {}
    for name in config.files:
        table, counts[name] = _draw(name, config=config, overlap=overlap, rng=rng)
        tables.append(table)
    text = pd.concat(tables, ignore_index=True)
    text = text.iloc[rng.permutation(len(text))]  # corpora mixed: a model reads them in this order
    read = text["text"][text["split"] == "train"].tolist()
    rows = pd.DataFrame(instruction_rows(read, count=config.instruction_rows, rng=rng))
    write_table(folder / TEXT, text)
    write_table(folder / INSTRUCTIONS, rows)
    kinds = {str(kind): int(count) for kind, count in rows["kind"].value_counts().sort_index().items()}
    return {
        "corpora": counts,
        "overlap": {"words": config.overlap_words, "passages_by_set": overlap.hits},
        "instruction_rows": kinds,
    }


def _draw(
    name: str, *, config: CorporaConfig, overlap: Overlap, rng: np.random.Generator
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The passages drawn from one corpus, and its counts."""
    file = config.files[name]
    path = corpora_folder(config) / f"{name}.jsonl.xz"
    digest = check_corpus(path, file.sha256)
    clean, documents, seen, characters = [], 0, 0, 0
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed} documents"))
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as progress:
        bar = progress.add_task(f"overlap of {name} with the evaluated sets", total=file.documents)
        for text in read_documents(path):
            parts = passages(text, length=config.passage)
            clean += [part for part in parts if not overlap.shares(part)]
            documents, seen, characters = documents + 1, seen + len(parts), characters + len(text)
            progress.advance(bar)
    wanted = int(config.characters * file.share)
    drawn, num_drawn = [], 0
    for place in rng.permutation(len(clean)):
        if num_drawn >= wanted:
            break
        drawn.append(clean[place])
        num_drawn += len(clean[place])
    if num_drawn < wanted:
        raise SourceError(
            f"{num_drawn} characters without overlap, {wanted} are asked for",
            where=str(path),
            fix=f"a smaller corpora.characters or corpora.files.{name}.share",
        )
    held = max(1, round(config.held_out * len(drawn)))
    split = ["held_out"] * held + ["train"] * (len(drawn) - held)
    counts = {
        "sha256": digest,
        "licence": file.licence,
        "documents": documents,
        "characters": characters,
        "passages": seen,
        "passages_with_overlap": seen - len(clean),
        "drawn": {"passages": len(drawn), "characters": num_drawn, "held_out": held},
    }
    return pd.DataFrame({"corpus": name, "split": split, "text": drawn}), counts


def _evaluated(raw: Path, params: Params) -> list[tuple[str, Sequence[str]]]:
    """Questions, inputs, pages and answers of all splits, whether this study evaluates the source or not."""
    found: list[tuple[str, Sequence[str]]] = []
    tasks = {name: load_task(name) for name in params.fetch.sources}
    for name in (name for name, task in tasks.items() if task.evaluates):
        source = load_source(
            raw / name,
            task=tasks[name],
            files=params.fetch.sources[name].files,
            max_quarantine_share=params.prepare.max_quarantine_share,
        )
        columns = ("instruction", "input", "answer", "cluster", "document")
        texts = {text for rows in source.rows.values() for column in columns for text in rows[column]}
        found.append((name, sorted(texts)))
    return found
