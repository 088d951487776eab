"""One random bit flips in one file of what is kept: it is noticed, or nothing that is read has changed.

``COCKTAIL_FLIPS=2000 python -m pytest tests/drills/test_flips.py`` flips so many, over all kinds of files.
``COCKTAIL_DRILL`` may name a finished clone, in place of a made-up study.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cocktail.errors import CocktailError
from cocktail.files.records import DIGESTS, UNCHECKED, digest_file, read_digested, read_json, read_table
from cocktail.files.store import Store
from cocktail.inference.endpoint.chat import EndpointQuestion, Reply
from cocktail.inference.endpoint.replies import Replies
from cocktail.runs.kept import FACTS, SHORT, read_kept
from cocktail.sources.read import read_rows
from cocktail.studies.fsck import Check, all_checks

FLIPS = int(os.environ.get("COCKTAIL_FLIPS", "200"))
DRILL = os.environ.get("COCKTAIL_DRILL", "")
QUESTION = EndpointQuestion("judge-1", (("user", "Is it?"),), 8)
Read = Callable[[], Any]


def files_of(root: Path) -> Iterator[tuple[str, Path, Read]]:
    """Yield kind, file, and what reads it: of an output the reader of stages, of the rest what checks it."""
    for folder in ("data/raw", "data/prepared", "artifacts"):
        for path in sorted(path for path in (root / folder).rglob("*") if path.is_file()):
            if path.name != DIGESTS and (path.parent / DIGESTS).is_file():
                yield folder, path, reader(path, raw=folder == "data/raw")
            elif path.parent.name == "selected":
                yield "artifacts/selected", path, lambda path=path: choices(path)
    for check in all_checks(root, root / ".store"):
        if not check.kind.startswith(("outputs", "records", "dvc.lock")) and "older" not in check.kind:
            for path in parts(check):
                yield check.kind, path, lambda check=check: fault(check)


def reader(path: Path, *, raw: bool) -> Read:
    if path.suffix == ".json":
        return lambda: read_json(path)
    return (lambda: list(read_rows(path))) if raw else (lambda: read_table(path).to_dict("list"))


def parts(check: Check) -> list[Path]:
    """The files of what is checked as a whole."""
    path = check.path
    if path.is_dir():
        return [file for file in sorted(path.rglob("*")) if file.is_file() and file.name not in UNCHECKED]
    return [path]


def fault(check: Check) -> str:
    if check.kind == "kept runs":
        return repr((read_kept(check.path), read_table(check.path).to_dict("list")))
    found = check.fault()
    if found:
        raise CocktailError(found, where=str(check.path), fix="cocktail fsck --mend")
    return ""


def choices(path: Path) -> list[Any]:
    facts = read_digested(path)
    return [facts.get(name) for name in ("choices", "floors")]


@pytest.fixture(scope="module")
def kept(study: Path) -> Path:
    """The study, with a store beside it if it has none."""
    if DRILL:
        return Path(DRILL)
    store = Store(study / ".store")
    for kind, key in (("answers", "ab" + "0" * 62), ("runs", "cd" + "0" * 62), ("tuned", "ef" + "0" * 62)):
        with store.publish(kind, key) as folder:
            pd.DataFrame({"item": ["fpb:test:0"], "answer": ["yes"]}).to_parquet(folder / "answers.parquet")
            (folder / "model.safetensors").write_bytes(os.urandom(4000))
    Replies(study / ".store").put(QUESTION.key, Reply("yes", 1, stopped=True))
    write_kept(study / "reports/studies/smoke/runs")
    return study


def write_kept(folder: Path) -> None:
    """A file of kept runs, as :func:`cocktail.runs.kept.keep` lays it out."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = json.dumps([{"run": "all", "training_key": "ab", "answers": {"fpb": {"key": "cd"}}}]).encode()
    codes = pa.table({"item": [f"fpb:test:{number}" for number in range(50)], "key": ["cd"] * 50})
    pq.write_table(codes.replace_schema_metadata({FACTS: facts}), folder / "new.parquet")
    name = f"001-{digest_file(folder / 'new.parquet')[:SHORT]}.parquet"
    (folder / "new.parquet").rename(folder / name)


def test_no_flipped_bit_changes_what_is_read_in_silence(kept: Path) -> None:
    found: dict[str, list[tuple[Path, Read]]] = {}
    for kind, path, read in files_of(kept):
        found.setdefault(kind, []).append((path, read))
    chance, counts, silent = random.Random(1), Counter[str](), list[str]()
    for number in range(FLIPS):
        kind = sorted(found)[number % len(found)]
        path, read = chance.choice(found[kind])
        whole, mode = path.read_bytes(), path.stat().st_mode
        if not whole:
            continue
        right, bit = read(), chance.randrange(8 * len(whole))
        broken = bytearray(whole)
        broken[bit // 8] ^= 1 << bit % 8
        path.chmod(0o644)  # DVC's cache is read-only
        path.write_bytes(broken)
        try:
            same = repr(read()) == repr(right)
        except CocktailError as error:
            counts[f"{kind}: refused"] += 1
            assert error.where or error.what
        else:
            counts[f"{kind}: {'the same' if same else 'OTHER'}"] += 1
            silent += [] if same else [f"bit {bit} of {path}"]
        finally:
            path.write_bytes(whole)
            path.chmod(mode)
    print(f"{sum(counts.values())} flips: {dict(sorted(counts.items()))}")
    assert silent == []
    assert "kept runs" in found
    assert sum(counts.values()) >= 0.99 * FLIPS
