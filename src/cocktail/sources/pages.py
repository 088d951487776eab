"""How large the pages of a Parquet file are, before one of them is read.

A reader makes room for a whole page, and a page holds at least one field: what a page's header says is how
much memory a field may take. Footer and headers are Thrift's compact protocol. They are read here, since
pyarrow says nothing of pages, and ends the process where a footer that it is asked about is broken.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

LARGEST = 1 << 27  # bytes of a page, unpacked; usual is 1 MB, some write 100 MB
FOOTER = 1 << 24  # bytes of a footer; a thousand groups of ten columns have 1 MB
MARK = b"PAR1"
DEEPEST = 12  # of structs and lists in each other; a footer has eight
# Numbers of fields: in the footer, a group, a column, what is known of the column, a page's header.
GROUPS, COLUMNS, ABOUT, NAME, PACKED, DATA, CODES, PAGE, PAGE_PACKED = 4, 1, 3, 3, 7, 9, 11, 2, 3
TRUE, FALSE, BYTE = 1, 2, 3
INTEGERS, DOUBLE, BINARY = (4, 5, 6), 7, 8
LISTS, STRUCT = (9, 10), 12


def check_footer(path: Path) -> None:
    """Refuse a file whose footer would fill the memory; one without a footer is for the reader to refuse.

    Raises:
        pa.ArrowInvalid: the footer is too large.
    """
    with path.open("rb") as stream:
        _footer_size(stream)


def largest_page(path: Path, columns: Sequence[str]) -> int:
    """Return the bytes of the largest page, unpacked, of these columns, or of all if none is named.

    Raises:
        pa.ArrowInvalid: a page is larger than ``LARGEST``, or the file is broken.
    """
    try:
        with path.open("rb") as stream:
            return max(_pages(stream, columns), default=0)
    except pa.ArrowInvalid:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):  # not what should be there
        raise pa.ArrowInvalid("a broken footer or page") from None


def _footer_size(stream: BinaryIO) -> int:
    if stream.seek(0, os.SEEK_END) < 12:
        return 0
    stream.seek(-8, os.SEEK_END)
    size = int.from_bytes(stream.read(4), "little")
    if stream.read(4) == MARK and size > FOOTER:
        raise pa.ArrowInvalid(f"a footer of {size} bytes")
    return size


def _pages(stream: BinaryIO, columns: Sequence[str]) -> Iterator[int]:
    stream.seek(-8 - _footer_size(stream), os.SEEK_END)
    footer = _struct(io.BytesIO(stream.read()), 0)
    for group in footer.get(GROUPS, ()):
        for about in (column[ABOUT] for column in group[COLUMNS]):
            if not columns or about[NAME][0].decode() in columns:
                yield from _pages_of(stream, about)


def _pages_of(stream: BinaryIO, about: Mapping[int, Any]) -> Iterator[int]:
    start = min(at for at in (about.get(CODES, 0), about[DATA]) if at > 0)
    end = start + about[PACKED]
    stream.seek(start)
    while stream.tell() < end:
        header = _struct(stream, 0)
        size, packed = header[PAGE], header[PAGE_PACKED]
        if size < 0 or not 0 <= packed <= end - stream.tell():
            raise pa.ArrowInvalid("a page that is larger than its column")
        if size > LARGEST:
            raise pa.ArrowInvalid(f"a page of {size} bytes, so a field may be as long; {LARGEST} are read")
        yield size
        stream.seek(packed, os.SEEK_CUR)


def _struct(stream: BinaryIO, depth: int) -> dict[int, Any]:
    """Read a struct: values by the numbers of their fields."""
    found, field = {}, 0
    while byte := _byte(stream):
        kind, step = byte & 15, byte >> 4
        field = field + step if step else _whole(stream)
        found[field] = kind == TRUE if kind in (TRUE, FALSE) else _value(stream, kind, depth)
    return found


def _value(stream: BinaryIO, kind: int, depth: int) -> Any:
    if depth > DEEPEST:
        raise ValueError("nested too deeply")
    if kind in INTEGERS:
        return _whole(stream)
    if kind == STRUCT:
        return _struct(stream, depth + 1)
    if kind == BINARY:
        length = _length(stream)
        if length > FOOTER:
            raise ValueError("a text longer than any footer")
        return stream.read(length)
    if kind in LISTS:
        byte = _byte(stream)
        kind, length = byte & 15, byte >> 4
        length = _length(stream) if length == 15 else length
        return [_value(stream, kind, depth + 1) for _ in range(length)]
    if kind in (TRUE, FALSE, BYTE):  # in a list a truth has a byte
        return _byte(stream)
    if kind == DOUBLE:
        return stream.read(8)
    raise ValueError("a kind that neither footers nor headers have")


def _whole(stream: BinaryIO) -> int:
    number = _length(stream)
    return (number >> 1) ^ -(number & 1)


def _length(stream: BinaryIO) -> int:
    number, shift = 0, 0
    while shift < 64:
        byte = _byte(stream)
        number |= (byte & 127) << shift
        if byte < 128:
            return number
        shift += 7
    raise ValueError("a number without end")


def _byte(stream: BinaryIO) -> int:
    return stream.read(1)[0]  # IndexError at the end of the file
