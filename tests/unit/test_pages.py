"""How much memory a Parquet file may take is known before it is read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cocktail.errors import DataError
from cocktail.sources import pages
from cocktail.sources.read import read_rows

LONG = 3_000_000  # bytes of one field
ROWS = [{"text": "a", "label": 0}, {"text": "x" * LONG, "label": 1}, {"text": None, "label": 2}]


def written(path: Path, rows: list[dict[str, Any]], **how: Any) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path, **how)
    return path


def largest(path: Path, *columns: str) -> int:
    return pages.largest_page(path, columns)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("packed", ["none", "snappy", "zstd"])
@pytest.mark.parametrize("codes", [True, False], ids=["codes", "plain"])
@pytest.mark.parametrize("checked", [True, False], ids=["checksums", "none"])
def test_the_page_of_a_long_field_is_found(
    version: Any, packed: Any, codes: bool, checked: bool, tmp_path: Path
) -> None:
    path = written(
        *(tmp_path / "rows.parquet", ROWS * 3),
        **{"data_page_version": version, "compression": packed, "use_dictionary": codes},
        **{"write_page_checksum": checked, "row_group_size": 4, "write_page_index": checked},
    )
    assert LONG < largest(path) < 3 * LONG
    assert 0 < largest(path, "label") < 1000
    assert [row for _, row in read_rows(path)] == ROWS * 3


def test_columns_within_a_column_are_its_own(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.parquet", [{"text": "a", "turns": [{"said": "x" * LONG}]}])
    assert largest(path, "turns") > LONG > largest(path, "text")


@pytest.mark.parametrize("codes", [True, False], ids=["codes", "plain"])
def test_a_field_that_would_fill_the_memory_is_refused(
    codes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "LARGEST", LONG)
    path = written(tmp_path / "rows.parquet", ROWS, compression="zstd", use_dictionary=codes)
    assert path.stat().st_size < LONG / 100
    with pytest.raises(DataError, match=r"a page of 30000\d\d bytes") as caught:
        list(read_rows(path))
    assert caught.value.where == str(path)
    assert [row for _, row in read_rows(path, ["label"])] == [{"label": one["label"]} for one in ROWS]


def test_a_code_for_a_long_field_takes_its_room_in_few_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The field stands in the file once, and 20 times in memory if all rows are read together."""
    monkeypatch.setattr(pages, "LARGEST", 2 * LONG)
    path = written(tmp_path / "rows.parquet", ROWS[1:2] * 20, use_dictionary=True)
    before = pa.total_allocated_bytes()
    rows = read_rows(path)
    next(rows)
    assert pa.total_allocated_bytes() - before < 6 * LONG
    assert len(list(rows)) == 19


def test_a_footer_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1" + b"\0" * 20 + (1 << 31).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(DataError, match="a footer of 2147483648 bytes"):
        list(read_rows(path))


@pytest.mark.slow
@settings(max_examples=int(os.environ.get("COCKTAIL_EXAMPLES", "50")), deadline=None, derandomize=True)
@given(at=st.integers(0, 10_000), bits=st.integers(1, 255))
def test_a_broken_file_is_read_or_refused(tmp_path_factory: Any, at: int, bits: int) -> None:
    path = written(tmp_path_factory.getbasetemp() / "flip.parquet", [{"text": "a" * 40, "label": 1}] * 50)
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= bits
    path.write_bytes(content)
    try:
        list(read_rows(path))
    except DataError as error:
        assert error.where == str(path)
