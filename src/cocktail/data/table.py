"""The table of examples: one row per question, all columns text.

Columns: ``item`` ("fpb:test:17": task, raw split, row number in that split), ``task``, the texts of
:class:`cocktail.tasks.Example`, and ``cluster`` and ``document`` as digests of what rows share.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from cocktail.files.records import digest_text, read_table, write_table

COLUMNS = ("item", "task", "instruction", "input", "answer", "gold", "cluster", "document")
SPLITS = ("train", "dev", "test")
BASIS = "basis"  # the column in which a run's answers, kept as codes, say what the codes were made with

_URL = re.compile(r"(?:https?://|www\.)\S+")
_ENTITY = re.compile(r"&(?:#\d+|#x[0-9a-f]+|[a-z]+\d*);", re.IGNORECASE)


def normalise(text: str) -> str:
    """Return ``text`` without links, without case and with single spaces."""
    return " ".join(_URL.sub(" ", text).casefold().split())


def unescape(text: str) -> str:
    """Replace HTML entities by their characters; only closed ones, so "?a=1&copy=2" stays as it is."""
    return _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)


def short_digest(text: str) -> str:
    """Return 16 hex digits of a text's sha256: enough to tell some millions of texts apart."""
    return digest_text(text)[:16]


def read_split(prepared: Path, task: str, split: str) -> pd.DataFrame:
    """Read one split of one task.

    Raises:
        DataError: the table is missing or broken.
    """
    return read_table(prepared / task / f"{split}.parquet")


def write_split(prepared: Path, task: str, split: str, rows: pd.DataFrame) -> None:
    """Write one split of one task; an empty split keeps the columns."""
    write_table(prepared / task / f"{split}.parquet", rows.loc[:, list(COLUMNS)].astype("string"))


def sampled(items: Iterable[str], count: int | None) -> set[str]:
    """Return a fixed sample of ``count`` items, or all: those with the smallest digests of their ids.

    It hangs on nothing but the ids, and a smaller sample is part of a larger one.
    """
    return set(sorted(items, key=digest_text)[:count])
