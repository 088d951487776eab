"""Whatever comes, readers and parsers answer or raise one clear error: hypothesis looks for what they do not.

``COCKTAIL_EXAMPLES=10000 python -m pytest tests/drills/test_fuzz.py`` tries so many of each.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pandas as pd
import pytest
from data_params import make_params
from hypothesis import strategies as st

from cocktail.config import check_params
from cocktail.config.tasks import task_names
from cocktail.data.load import example_of
from cocktail.errors import CocktailError
from cocktail.files.dvc_lock import is_whole
from cocktail.files.records import read_digested, read_json, read_table
from cocktail.inference.endpoint.address import Address
from cocktail.inference.endpoint.chat import is_filtered, read_completion
from cocktail.report.markup import inline_svg
from cocktail.report.table import csv_cell, markdown_cell
from cocktail.scoring.outcome import Tolerance, judge
from cocktail.sources.read import Malformed, read_rows
from cocktail.tasks import Example, load_task
from cocktail.tasks.reading import extract

EXAMPLES = int(os.environ.get("COCKTAIL_EXAMPLES", "25"))
TASKS = {name: load_task(name) for name in task_names()}
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner))
NUMBERS = st.text(alphabet="0123456789.,-+%()$€ eE−–=#millionbthousandpercent yesno\n", max_size=30)
ANSWERS = st.text(max_size=60) | NUMBERS | st.sampled_from(["A", "(B)", "yes.", "not positive", "14%"])
LINES = st.lists(st.text(alphabet='ab,"\n\r\t;1{}[]:\\ué', max_size=20) | st.text(max_size=20), max_size=8)
WORK = Path(tempfile.mkdtemp(prefix="fuzz-"))
KEY = "sk-very-secret-0123456789"


def fuzz(*strategies: Any, **named: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Try a test with so many examples of its arguments; the same ones each time."""

    def wrap(test: Callable[..., None]) -> Callable[..., None]:
        slow = [hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture]
        settings = hypothesis.settings(
            max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=slow
        )
        return settings(hypothesis.given(*strategies, **named)(test))

    return wrap


def written(name: str, content: bytes) -> Path:
    path = WORK / name
    path.write_bytes(content)
    return path


@fuzz(ANSWERS)
def test_readings_of_an_answer(text: str) -> None:
    labels = ("positive", "negative", "neutral")
    assert {extract.strict_label(text, labels), extract.lenient_label(text, labels)} <= {None, *labels}
    assert {extract.strict_label(text, "ABCD"), extract.lenient_choice(text)} <= {None, *"ABCD"}
    strict, lenient = extract.strict_quantity(text), extract.lenient_quantity(text)
    assert strict is None or lenient is not None
    assert all(
        one is None or isinstance(one, str) for one in (extract.strict_text(text), extract.lenient_text(text))
    )


@fuzz(ANSWERS, st.sampled_from(["positive", "12.5%", "-3", "B", "Sales rose by 4 million"]))
def test_a_verdict_on_an_answer(text: str, gold: str) -> None:
    kinds = {"positive": "label", "B": "choice", "12.5%": "number", "-3": "number"}
    labels = {"positive": ("positive", "negative"), "B": tuple("ABCD")}.get(gold, ())
    kind: Any = kinds.get(gold, "free")
    outcome = judge(text, gold, kind=kind, labels=labels, tolerance=Tolerance(0.01, 1e-6))
    assert outcome.strict in ("ok", "wrong", "invalid") or outcome.strict


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
@fuzz(lines=LINES | st.just(["text,label"]), ending=st.sampled_from(["\n", "\r\n", "", "\0"]))
def test_raw_text(suffix: str, lines: list[str], ending: str) -> None:
    content = ending.join(["text,label", *lines] if suffix == "csv" else lines) + ending
    path = written(f"rows.{suffix}", content.encode("utf-8", "surrogatepass"))
    try:
        rows = list(read_rows(path))
    except CocktailError as error:
        assert error.where and error.fix
        return
    assert [number for number, _ in rows] == list(range(len(rows)))


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
@fuzz(content=st.binary(max_size=400))
def test_raw_bytes(suffix: str, content: bytes) -> None:
    try:
        list(read_rows(written(f"bytes.{suffix}", content)))
    except CocktailError as error:
        assert error.where and error.fix


@pytest.mark.parametrize("name", TASKS)
@fuzz(values=st.lists(VALUES | ANSWERS, min_size=6, max_size=6))
def test_a_row_of_a_task(name: str, values: list[Any]) -> None:
    task = TASKS[name]
    found = example_of(task, dict(zip(task.columns, values, strict=False)))
    if isinstance(found, Malformed):
        assert found.reason
        found.reason.encode()
    else:
        assert isinstance(found, Example)
        pd.DataFrame([{"gold": found.gold, "input": found.input}]).to_parquet(io.BytesIO())


@pytest.mark.parametrize(
    "read", [read_json, read_digested, read_table, lambda path: is_whole(path.read_bytes())]
)
@fuzz(
    content=st.binary(max_size=200)
    | st.text(alphabet='{}[]":,0123456789eE.-\\u \n', max_size=60).map(str.encode)
)
def test_a_file_of_ours(read: Callable[[Path], Any], content: bytes) -> None:
    try:
        read(written("ours.json", content))
    except CocktailError as error:
        assert error.where


@fuzz(st.text(max_size=100) | VALUES.map(lambda value: json.dumps({"choices": [value], "usage": value})))
def test_a_reply(body: str) -> None:
    is_filtered(body)
    try:
        reply, tokens = read_completion(body)
    except CocktailError as error:
        assert error.where
    else:
        assert isinstance(reply.text, str) and set(tokens) == {"prompt_tokens", "answer_tokens"}


@fuzz(st.lists(st.text(max_size=5) | st.sampled_from([KEY, KEY[3:16], KEY[:9], KEY[-8:]]), max_size=6))
def test_the_key_in_a_reply(parts: list[str]) -> None:
    said = Address("https://host/v1", KEY).without_key("".join(parts))
    assert not any(KEY[at : at + 8] in said for at in range(len(KEY) - 7))


@fuzz(st.text(max_size=40))
def test_a_cell(text: str) -> None:
    cell = markdown_cell(text)
    assert "\n" not in cell and "\r" not in cell
    if "\\" not in text:
        shown = re.sub(r"\\([|(\[:<])", r"\1", cell)  # as Markdown shows it
        assert shown == " ".join(text.splitlines())
    stream = io.StringIO(newline="")
    csv.writer(stream).writerow([csv_cell(text)])
    (field,) = next(csv.reader(io.StringIO(stream.getvalue(), newline="")))
    assert field.removeprefix("'") == text.removeprefix("'") and not field.startswith(("=", "@", "\t", "\r"))


@fuzz(st.text(alphabet="<>/= \"'svgimageonclickhref:urlx()#\\", max_size=60))
def test_a_figure(inner: str) -> None:
    path = written("f.svg", f'<svg xmlns="http://www.w3.org/2000/svg">{inner}</svg>'.encode())
    try:
        shown = str(inline_svg(path, prefix="a", title="T", description="D"))
    except CocktailError:
        return
    assert "<script" not in shown.lower() and "onclick=" not in shown.lower()


@fuzz(st.text(max_size=20), st.text(max_size=20), VALUES)
def test_params(name: str, path: str, value: Any) -> None:
    raw = make_params().model_dump()
    raw["fetch"]["sources"][name] = {
        "repo": path,
        "licence": "MIT",
        "status": "original",
        "files": [{"path": path, "split": "train"}],
    }
    raw["study"][name or "x"] = value
    del raw["study"][name or "x"]
    raw["tune"] = raw["tune"] if len(name) % 2 else value
    try:
        params = check_params(raw, where="params.yaml")
    except CocktailError as error:
        assert error.what
        return
    for one, source in params.fetch.sources.items():
        for file in source.files:
            for place in (WORK / one / file.path, WORK / source.repo):
                assert WORK in Path(os.path.normpath(place)).parents
