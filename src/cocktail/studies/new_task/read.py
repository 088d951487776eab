"""The rows of ``--data``: a CSV, JSON Lines or Parquet file, or a data set of the Hub; and their split."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cocktail.config import SourceConfig
from cocktail.data.table import normalise, short_digest
from cocktail.errors import DataError, SourceError, near
from cocktail.sources.read import Malformed, read_rows

Row = Mapping[str, Any]

ENDINGS = (".csv", ".jsonl", ".parquet")
TEST_SHARE = 5  # every so many-th cluster is test, where there is no test file


@dataclass(frozen=True)
class Given:
    """Rows as they were given; ``test`` is None where one file holds all.

    Attributes:
        origin: where they are from, in words.
    """

    train: list[Row]
    test: list[Row] | None
    origin: str


def read_given(data: str, test: Path | None) -> Given:
    """Read ``--data``, and ``--test`` where it is given.

    Raises:
        DataError: a file is missing, cannot be read, or holds rows that its format rules out.
        SourceError: the Hub has no such data set, or cannot be reached.
    """
    path = Path(data)
    if test and not test.is_file():
        raise _missing(test, "--test FILE")
    if path.is_file():
        return Given(_rows(path), _rows(test) if test else None, f"a file of one's own, {path.name}")
    if path.suffix in ENDINGS or not re.fullmatch(r"[\w.-]+/[\w.-]+", data):
        raise _missing(path, "--data FILE, or ORG/NAME, a data set of the Hub")
    return _of_hub(data)


def _missing(path: Path, option: str) -> DataError:
    beside = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
    hint = near(path.name, beside) if beside else ""
    endings = ", ".join(ENDINGS)
    return DataError(f"no such file{hint}", where=str(path), fix=f"{option}; a file ends in {endings}")


def split_rows(rows: list[Row], *, text: str, cluster: str) -> tuple[list[Row], list[Row]]:
    """Return train and test rows: a fifth of the clusters is test, in whatever order rows come."""
    train: list[Row] = []
    test: list[Row] = []
    for row in rows:
        digest = short_digest(normalise(str(row[cluster or text])))
        (test if int(digest, 16) % TEST_SHARE == 0 else train).append(row)
    return train, test


def _rows(path: Path) -> list[Row]:
    _refuse_other_separators(path)
    found: list[Row] = []
    for number, row in read_rows(path):
        if isinstance(row, Malformed):
            where = f"{path}, row {number + 1}"
            raise DataError(
                f"a row cannot be read: {row.reason}", where=where, fix="mend it, or leave it out"
            )
        found.append(row)
    return found


def _refuse_other_separators(path: Path) -> None:
    """Spreadsheets of some countries write semicolons into a CSV: one column would be read, or torn texts."""
    if path.suffix != ".csv":
        return
    with path.open(encoding="utf-8", errors="replace") as stream:
        header = stream.readline()
    found = [name for mark, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")) if mark in header]
    if found and "," not in header:
        raise DataError(
            f"columns are separated by {found[0]}, where a CSV has commas",
            where=str(path),
            fix="save it with commas, or as .jsonl",
        )


def _of_hub(repo: str) -> Given:
    from cocktail.sources import hub

    source = SourceConfig(repo=repo, licence="", status="original", files=[])
    commit = hub.resolve_commit(source)
    listed = [path for path in hub.list_files(source, commit=commit) if path.endswith(ENDINGS)]
    parts: dict[str, list[Row]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for path in listed:
            split = next((name for name in ("test", "train") if name in Path(path).name.casefold()), "")
            if split:
                target = Path(folder) / split / Path(path).name
                hub.copy_file(source, path, target, commit=commit)
                parts.setdefault(split, []).extend(_rows(target))
    if "train" not in parts:
        raise SourceError(
            f"no file of the data set has train in its name: {', '.join(listed) or 'none can be read'}",
            where=hub.PAGE + repo,
            fix="download the right one, and give it with --data FILE",
        )
    return Given(parts["train"], parts.get("test"), f"{hub.PAGE}{repo} at {commit}")
