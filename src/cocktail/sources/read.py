"""Rows of a raw file: CSV, Parquet or JSON Lines, read by a real parser and never by lines of text.

Twitter CSVs hold line breaks inside quoted fields; Parquet files may be cut short. A file that cannot be
read at all is a :class:`DataError`; a single row that cannot be read comes back as :class:`Malformed`, so
that the reader can count it and go on.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from cocktail.errors import DataError, first_line
from cocktail.files.records import check_listed
from cocktail.sources import pages

FIX = "fetch the file again: dvc repro --single-item --force fetch"
LONGEST_LINE = 1 << 26  # characters: what is longer is no row, and would fill the memory
NOT_DATA = {  # what a server, or a clone without its large files, gives in place of data
    b"<!doctype": "a web page",
    b"<html": "a web page",
    b"<?xml": "an XML document",
    b"version https://git-lfs": "a pointer of Git LFS",
}


@dataclass(frozen=True)
class Malformed:
    """A row that the file's own format rules out.

    Attributes:
        reason: what is wrong with it.
        raw: what could be read of it.
    """

    reason: str
    raw: str


RawRow = dict[str, Any] | Malformed


def read_rows(path: Path, columns: Sequence[str] = ()) -> Iterator[tuple[int, RawRow]]:
    """Yield (row number from 0, row) for every row of a raw file.

    Args:
        path: a ``.csv``, ``.parquet`` or ``.jsonl`` file.
        columns: columns that must be there; of Parquet files only these are read, unless it is empty.

    Raises:
        DataError: the file is missing, of another kind, not UTF-8, cut short, or lacks a column.
        RecordError: it is not the one that was fetched.
    """
    readers = {".csv": _csv_rows, ".parquet": _parquet_rows, ".jsonl": _json_rows}
    if path.suffix not in readers:
        raise DataError(
            f"raw files end in {', '.join(readers)}, not {path.suffix!r}",
            where=str(path),
            fix="name such a file under the source's files",
        )
    if not path.is_file():
        raise DataError("a raw file is missing", where=str(path), fix=FIX)
    check_listed(path)
    _refuse_foreign(path)
    yield from enumerate(readers[path.suffix](path, columns))


def _refuse_foreign(path: Path) -> None:
    with path.open("rb") as stream:
        start = stream.read(512).removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for sign, kind in NOT_DATA.items():
        if start.startswith(sign):
            raise DataError(f"{kind} in place of data", where=str(path), fix=FIX)


def _lines(stream: TextIO, path: Path) -> Iterator[str]:
    """Yield the lines of a file; one that would fill the memory is refused before it does."""
    while line := stream.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise DataError(f"a line of {LONGEST_LINE} characters or more", where=str(path), fix=FIX)
        yield line


def _csv_rows(path: Path, columns: Sequence[str]) -> Iterator[RawRow]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(_lines(stream, path), strict=True)
            header = next(reader, [])
            _require(path, columns, header)
            for fields, following in pairwise(chain[Any](reader, [None])):
                if following is None and _ends_within_a_line(path):
                    yield Malformed("the file ends within this row, without a line break", json.dumps(fields))
                else:
                    yield _csv_row(header, fields)
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error) from None
    except csv.Error as error:
        raise DataError(f"not readable as CSV ({error})", where=str(path), fix=FIX) from None


def _csv_row(header: Sequence[str], fields: Sequence[str]) -> RawRow:
    if len(fields) != len(header):
        return Malformed(f"{len(fields)} fields, not {len(header)}", json.dumps(fields))
    return dict(zip(header, fields, strict=True))


def _ends_within_a_line(path: Path) -> bool:
    """Whether the last byte is no line break: a download that broke off ends like this, in half a field."""
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) not in b"\r\n"


def _parquet_rows(path: Path, columns: Sequence[str]) -> Iterator[RawRow]:
    try:
        pages.check_footer(path)
        with pq.ParquetFile(path) as file:
            _require(path, columns, file.schema_arrow.names)
            # a short code may stand for a field as long as the page that spells it out
            rows = pages.LARGEST // max(pages.largest_page(path, columns), 1)
            for batch in file.iter_batches(batch_size=min(rows, 10_000), columns=list(columns) or None):
                yield from batch.to_pylist()
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error) from None
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"not readable as Parquet ({first_line(error)})", where=str(path), fix=FIX) from None


def _json_rows(path: Path, columns: Sequence[str]) -> Iterator[RawRow]:
    try:
        with path.open(encoding="utf-8") as stream:
            for number, line in enumerate(_lines(stream, path)):
                row = _json_row(line, columns if number else ())
                if number == 0 and isinstance(row, dict):
                    _require(path, columns, row)
                yield row
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error) from None


def _json_row(line: str, columns: Sequence[str]) -> RawRow:
    try:
        row = json.loads(line)
    except RecursionError:
        return Malformed("not JSON (nested too deeply)", line.rstrip("\n"))
    except ValueError as error:  # no JSON, or a number of more digits than Python reads
        return Malformed(f"not JSON ({first_line(error)})", line.rstrip("\n"))
    if not isinstance(row, dict):
        return Malformed("no JSON object", line.rstrip("\n"))
    missing = [column for column in columns if column not in row]
    return Malformed(f"no column {', '.join(missing)}", line.rstrip("\n")) if missing else row


def _require(path: Path, columns: Sequence[str], found: Sequence[str] | dict[str, Any]) -> None:
    missing = [column for column in columns if column not in found]
    if missing:
        raise DataError(
            f"column {', '.join(missing)} is missing; the file has {', '.join(found) or 'none'}",
            where=str(path),
            fix="check fetch.sources: repository, revision and path",
        )


def _not_utf8(path: Path, error: UnicodeDecodeError) -> DataError:
    return DataError(
        f"not UTF-8: {error.reason} (byte {error.object[error.start]:#04x})", where=str(path), fix=FIX
    )
