"""Hostile inputs end in quarantine or in one clear error, never in a stack trace."""

from __future__ import annotations

import gzip
import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_params import make_params, make_source

from cocktail.claims.rows import read_verdicts
from cocktail.config import load_params
from cocktail.config.params import check_params
from cocktail.data.load import load_source
from cocktail.errors import CocktailError
from cocktail.files.dvc_lock import is_whole
from cocktail.files.records import read_digested, read_json, read_table
from cocktail.files.store import Store
from cocktail.inference.endpoint.chat import EndpointQuestion, read_completion
from cocktail.inference.endpoint.replies import Replies
from cocktail.report.markup import inline_svg
from cocktail.report.table import Table, export_tables, write_tables
from cocktail.runs.kept import read_kept
from cocktail.tasks import load_task

ROW = '{"sentence": "Sales rose", "label": 2}'
FPB = load_task("fpb")


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.csv", content)
    return file.getvalue()


def parquet(**columns: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


GOOD_PARQUET = parquet(sentence=["Sales rose"] * 50, label=[2] * 50)
RAW: dict[str, bytes] = {
    "empty.csv": b"",
    "empty.jsonl": b"",
    "empty.parquet": b"",
    "mark only.csv": b"\xef\xbb\xbf",
    "NUL only.csv": b"\0" * 500,
    "NUL only.jsonl": b"\0" * 500,
    "random.csv": os.urandom(3000),
    "random.jsonl": os.urandom(3000),
    "random.parquet": os.urandom(3000),
    "latin.csv": "sentence,label\ncafé,1\n".encode("latin-1"),
    "utf16.csv": "sentence,label\na,1\n".encode("utf-16"),
    "gzip.csv": gzip.compress(b"sentence,label\na,1\n"),
    "zip.csv": zipped(b"sentence,label\na,1\n"),
    "png.csv": b"\x89PNG\r\n\x1a\n" + os.urandom(100),
    "html.csv": b"<!doctype html><title>Log in</title>\n",
    "html.jsonl": b"<html>\n</html>\n",
    "lfs.jsonl": b"version https://git-lfs.github.com/spec/v1\n",
    "open quote.csv": b'sentence,label\n"never closed,1\n',
    "quote inside.csv": b'sentence,label\na"b"c,1\n"a"b,1\n',
    "cut.csv": b"sentence,label\nSales rose,2\nSales fell,1",
    "no label.csv": b"sentence\na\n",
    "twice a column.csv": b"sentence,sentence,label\na,b,1\n",
    "many commas.csv": b"sentence,label\n" + b"," * 100_000 + b"\n",
    "long field.csv": b"sentence,label\n" + b"x" * 200_000 + b",1\n",
    "old line breaks.csv": b"sentence,label\ra,1\rb,2\r",
    "deep list.jsonl": f"{ROW}\n{'[' * 200_000}{']' * 200_000}\n".encode(),
    "deep value.jsonl": f'{ROW}\n{{"sentence": "a", "label": {"[" * 900}{"]" * 900}}}\n'.encode(),
    "digits.jsonl": f'{ROW}\n{{"sentence": "a", "label": {"9" * 5000}}}\n'.encode(),
    "text digits.jsonl": f'{ROW}\n{{"sentence": "a", "label": "{"9" * 5000}"}}\n'.encode(),
    "other digits.jsonl": f'{ROW}\n{{"sentence": "a", "label": "²"}}\n'.encode(),
    "huge float.jsonl": f'{ROW}\n{{"sentence": "a", "label": 1e999}}\n'.encode(),
    "no number.jsonl": f'{ROW}\n{{"sentence": "a", "label": NaN}}\n'.encode(),
    "surrogate.jsonl": f'{ROW}\n{{"sentence": "\\ud800", "label": 1}}\n'.encode(),
    "surrogate label.jsonl": f'{ROW}\n{{"sentence": "a", "label": "\\udfff"}}\n'.encode(),
    "NUL.jsonl": f'{ROW}\n{{"sentence": "a\\u0000b", "label": 1}}\n'.encode(),
    "entity.jsonl": f'{ROW}\n{{"sentence": "&#xD800;&#0;&#99999999999;", "label": 1}}\n'.encode(),
    "types.jsonl": f'{ROW}\n{{"sentence": {{"a": [1]}}, "label": true}}\n'.encode(),
    "key twice.jsonl": f'{ROW}\n{{"sentence": "a", "sentence": [], "label": 1}}\n'.encode(),
    "no object.jsonl": b'"sentence"\n1\nnull\n[]\n',
    "one line.jsonl": f"[{ROW}, {ROW}]".encode(),
    "half.jsonl": f"{ROW}\n{ROW[:20]}".encode(),
    "half.parquet": GOOD_PARQUET[: len(GOOD_PARQUET) // 2],
    "no footer.parquet": GOOD_PARQUET[:-8],
    "footer twice.parquet": GOOD_PARQUET + GOOD_PARQUET[-200:],
    "lists.parquet": parquet(sentence=[["a"], ["b"]], label=[1, 2]),
    "structs.parquet": parquet(sentence=[{"a": 1}], label=[1]),
    "bytes.parquet": parquet(sentence=[b"\xff\xfe"], label=[1]),
    "dates.parquet": parquet(sentence=[pd.Timestamp(0)], label=[1]),
    "nulls.parquet": parquet(sentence=[None, None], label=[None, 1]),
    "name.xlsx": b"PK",
}


@pytest.mark.parametrize("name", RAW)
def test_a_raw_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows{Path(name).suffix}"
    path.write_bytes(RAW[name])
    files = make_params(fetch={"sources": with_file(path.name)}).fetch.sources["fpb"].files
    try:
        loaded = load_source(tmp_path, task=FPB, files=files, max_quarantine_share=0.9)
    except CocktailError as error:
        assert error.what and error.where, error
        return
    for table in (*loaded.rows.values(), loaded.quarantine):
        table.to_parquet(tmp_path / "out.parquet")  # what was let in can be written
    assert sum(map(len, loaded.rows.values())) + len(loaded.quarantine) == sum(loaded.rows_in.values())


def with_file(name: str) -> dict[str, Any]:
    return {one: make_source() for one in make_params().fetch.sources} | {"fpb": make_source((name, "train"))}


JSON: dict[str, bytes] = {
    "empty": b"",
    "random": os.urandom(300),
    "half": b'{"run": "all"',
    "deep": b"[" * 200_000,
    "digits": b"9" * 5000,
    "surrogate": b'{"a": "\\ud800"}',
    "latin": '{"a": "é"}'.encode("latin-1"),
    "list": b"[]",
    "null": b"null",
    "number": b"1e999",
    "empty object": b"{}",
    "wrong types": b'{"digest": 1, "codes": [], "text": 1, "choices": 2, "files": 3}',
}
READERS: dict[str, Callable[[Path], Any]] = {
    "record": read_json,
    "selection": read_digested,
    "kept run": read_kept,
    "table": read_table,
    "reply": lambda path: Replies(path.parents[2]).get(EndpointQuestion("m", (("user", "q"),), 1)),
    "dvc.lock": lambda path: is_whole(path.read_bytes()),
    "params": load_params,
    "verdicts": read_verdicts,
    "figure": lambda path: inline_svg(path, prefix="a", title="T", description="D"),
    "completion": lambda path: read_completion(path.read_text(encoding="utf-8", errors="replace")),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", JSON)
def test_a_file_that_we_wrote_once(reader: str, name: str, tmp_path: Path) -> None:
    key = EndpointQuestion("m", (("user", "q"),), 1).key
    path = tmp_path / "replies" / key[:2] / f"{key}.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(JSON[name])
    path.with_suffix(".parquet").write_bytes(JSON[name])
    try:
        READERS[reader](path)
    except CocktailError as error:
        assert error.what and error.where, error


@pytest.mark.parametrize("name", JSON)
def test_a_store_entry(name: str, tmp_path: Path) -> None:
    store, key = Store(tmp_path), "ab" + "0" * 62
    with store.publish("answers", key) as folder:
        (folder / "receipt.json").write_text("{}")
    (store.path("answers", key) / "digests.json").write_bytes(JSON[name])
    assert store.have("answers", key) is None


PARAMS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a list": lambda raw: [],
    "text": lambda raw: "study",
    "nothing": lambda raw: None,
    "a section is a list": lambda raw: raw | {"study": []},
    "a section is nothing": lambda raw: raw | {"models": None},
    "a key is a number": lambda raw: raw | {1: 2},
    "a name is a number": lambda raw: raw | {"models": {1: {}}},
    "a source leaves": lambda raw: raw["fetch"]["sources"].update({"../..": make_source()}) or raw,
    "a seed is huge": lambda raw: raw["study"].update(seed=10**400) or raw,
    "a number is no number": lambda raw: raw["train"].update(learning_rate=float("nan")) or raw,
    "a number is endless": lambda raw: raw["train"].update(learning_rate=float("inf")) or raw,
    "a study is a path": lambda raw: raw["study"].update(name="../../x") or raw,
}


@pytest.mark.parametrize("name", PARAMS)
def test_params(name: str) -> None:
    raw = PARAMS[name](make_params().model_dump())
    try:
        check_params(raw, where="params.yaml")
    except CocktailError as error:
        assert error.what


YAML = [
    "!!python/object/apply:os.system ['touch pwned']",
    "a: &a [*a]",
    "a: *b",
    "\t",
    "{",
    "'" * 999,
    "a: b: c",
]


@pytest.mark.parametrize("text", YAML)
def test_params_as_text(text: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CocktailError):
        load_params(path)
    assert not Path("pwned").exists()


@pytest.mark.parametrize(
    "text", ["\0", "\r\n|", "]]>", "\\end{table}", "=cmd()", "​", "<svg onload=a()>", "\u202e"]
)
def test_a_cell(text: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"task": [text], "runs": [[text]]})
    write_tables(tmp_path, [Table(name="t", title="T", note="N.", frame=frame)])
    assert len((tmp_path / "README.md").read_text(encoding="utf-8").splitlines()) == 7
    assert [path.suffix for path in export_tables(tmp_path, tmp_path)] == [".tex", ".csv"]


def test_there_are_many() -> None:
    assert len(RAW) + len(READERS) * len(JSON) + len(JSON) + len(PARAMS) + len(YAML) >= 60
    assert json.loads(ROW)["label"] == 2
