"""Raw files are read by real parsers; a broken file is one clear error, a broken row comes back as such.

How much memory a Parquet file may take is known before it is read.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cocktail.errors import DataError
from cocktail.sources import pages, read
from cocktail.sources.read import Malformed, read_rows


def rows(path: Path, *columns: str) -> list[object]:
    return [row for _, row in read_rows(path, columns)]


def refused(path: Path, *columns: str) -> DataError:
    with pytest.raises(DataError) as caught:
        rows(path, *columns)
    assert caught.value.where == str(path)
    assert caught.value.fix
    return caught.value


def test_csv_fields_may_hold_line_breaks_commas_and_quotes(tmp_path: Path) -> None:
    path = tmp_path / "tweets.csv"
    path.write_bytes(b'text,label\r\n"one\ntwo,\r\n""three""",2\r\nplain,0\r\n')
    assert rows(path, "text", "label") == [
        {"text": 'one\ntwo,\r\n"three"', "label": "2"},
        {"text": "plain", "label": "0"},
    ]


def test_a_csv_row_with_too_many_or_too_few_fields_comes_back_as_malformed(tmp_path: Path) -> None:
    path = tmp_path / "tweets.csv"
    path.write_text("text,label\na,1\nb\nc,1,2\nd,0\n", encoding="utf-8")
    numbered = dict(read_rows(path, ["text", "label"]))
    assert numbered[1] == Malformed("1 fields, not 2", '["b"]')
    assert numbered[2] == Malformed("3 fields, not 2", '["c", "1", "2"]')
    assert numbered[3] == {"text": "d", "label": "0"}


def test_a_csv_with_an_open_quote_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tweets.csv"
    path.write_text('text,label\n"never closed,1\n', encoding="utf-8")
    assert "not readable as CSV" in refused(path).what


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_a_missing_column_is_named_with_those_that_are_there(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rows.{suffix}"
    table = pd.DataFrame({"text": ["a"], "lable": [1]})
    writers = {
        "csv": lambda: table.to_csv(path, index=False),
        "parquet": lambda: table.to_parquet(path, index=False),
        "jsonl": lambda: table.to_json(path, orient="records", lines=True),
    }
    writers[suffix]()
    assert refused(path, "text", "label").what == "column label is missing; the file has text, lable"


def test_a_parquet_file_cut_in_half_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pd.DataFrame({"text": [f"row {number}" for number in range(1000)]}).to_parquet(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "not readable as Parquet" in refused(path).what


def test_bytes_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    table, lines, columns = tmp_path / "a.csv", tmp_path / "a.jsonl", tmp_path / "a.parquet"
    table.write_bytes("text,label\ncafé,1\n".encode("latin-1"))
    lines.write_bytes('{"text": "café"}\n'.encode("latin-1"))
    data = pa.py_buffer(b"caf\xe9")
    offsets = pa.py_buffer(pa.array([0, 4], pa.int32()).buffers()[1])
    pq.write_table(pa.table({"text": pa.StringArray.from_buffers(1, offsets, data)}), columns)
    for path in (table, lines, columns):
        error = refused(path)
        assert error.what.startswith("not UTF-8")
        assert error.what.endswith("(byte 0xe9)")


def test_json_lines_that_are_no_objects_come_back_as_malformed(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a", "label": 1}\n{"text": \n[1]\n{"text": "b"}\n', encoding="utf-8")
    first, cut, array, short = rows(path, "text", "label")
    assert first == {"text": "a", "label": 1}
    assert isinstance(cut, Malformed) and cut.reason.startswith("not JSON")
    assert array == Malformed("no JSON object", "[1]")
    assert short == Malformed("no column label", '{"text": "b"}')


def test_a_missing_file_and_an_unknown_kind_of_file_are_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.csv").what == "a raw file is missing"
    assert "not '.xlsx'" in refused(tmp_path / "rows.xlsx").what


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("<!DOCTYPE html>\n<html><body>Log in</body></html>\n", "a web page"),
        ("\n  <HTML>\n", "a web page"),
        ('\ufeff<?xml version="1.0"?>\n', "an XML document"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "a pointer of Git LFS"),
    ],
)
def test_what_a_server_sends_in_place_of_data_is_refused(
    suffix: str, content: str, told: str, tmp_path: Path
) -> None:
    """Also where no column is asked for, as in stage fetch."""
    path = tmp_path / f"rows.{suffix}"
    path.write_text(content, encoding="utf-8")
    assert refused(path).what == f"{told} in place of data"


def test_a_csv_that_ends_in_half_a_field_has_no_such_row(tmp_path: Path) -> None:
    path = tmp_path / "tweets.csv"
    path.write_text("text,label\na,1\nprofits fell by 1", encoding="utf-8")
    assert isinstance(rows(path)[-1], Malformed)
    path.write_text("text,label\na,1\nprofits fell,1", encoding="utf-8")  # of 15, or of 1
    good, cut = rows(path)
    assert good == {"text": "a", "label": "1"}
    assert isinstance(cut, Malformed) and "ends within this row" in cut.reason
    for whole in ("text,label\na,1\n", "text,label\r\na,1\r\n"):
        path.write_bytes(whole.encode())
        assert rows(path) == [{"text": "a", "label": "1"}]


@pytest.mark.parametrize(
    "line",
    ["[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000, '{"text": ' + "9" * 5000 + "}"],
    ids=["deep list", "deep object", "5,000 digits"],
)
def test_json_that_python_cannot_hold_comes_back_as_malformed(line: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"text": "a"}}\n{line}\n{{"text": "b"}}\n', encoding="utf-8")
    first, bad, last = rows(path, "text")
    assert (first, last) == ({"text": "a"}, {"text": "b"})
    assert isinstance(bad, Malformed) and bad.reason.startswith("not JSON")


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_line_without_end_is_refused_before_it_fills_the_memory(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "LONGEST_LINE", 1000)
    path = tmp_path / f"rows.{suffix}"
    path.write_text("text,label\n" + "x" * 5000 + "\n", encoding="utf-8")
    assert "a line of 1000 characters" in refused(path).what


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
