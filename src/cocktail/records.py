"""Files that are whole or absent: atomic writes, canonical JSON, digests.

Every file of the package goes through here, so a stage that dies leaves nothing that a later one would
take for finished, and equal content means equal bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from cocktail.errors import DataError, RecordError


@contextmanager
def fresh_file(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of ``path``; it takes ``path``'s place only if the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def fresh_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary sibling folder; it replaces ``path`` only if the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        yield draft
        if path.exists():
            shutil.rmtree(path)
        draft.replace(path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys, two spaces, and a final line break; NaN is an error."""
    return json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as canonical JSON, atomically."""
    with fresh_file(path) as draft:
        draft.write_text(canonical_json(value), encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        RecordError: the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecordError("a result file is missing", where=str(path), fix="dvc repro") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RecordError(f"not readable as JSON ({error})", where=str(path), fix="dvc repro") from None


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a Parquet table without an index, atomically; equal tables give equal bytes."""
    with fresh_file(path) as draft:
        table.to_parquet(draft, index=False)


def read_table(path: Path) -> pd.DataFrame:
    """Read a Parquet table.

    Raises:
        DataError: the file is missing, cut short or not Parquet.
    """
    try:
        return pd.read_parquet(path)
    except FileNotFoundError:
        raise DataError("a table is missing", where=str(path), fix="dvc repro") from None
    except (OSError, ValueError) as error:  # pyarrow's ArrowInvalid is a ValueError
        reason = str(error).splitlines()[0]
        raise DataError(f"not readable as Parquet ({reason})", where=str(path)) from None


def digest_text(text: str) -> str:
    """Return the sha256 of a text's UTF-8 bytes, in hex."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def digest_value(value: Any) -> str:
    """Return the sha256 of a value's canonical JSON."""
    return digest_text(canonical_json(value))


def digest_file(path: Path) -> str:
    """Return the sha256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_folder(path: Path) -> str:
    """Return one sha256 over the names and contents of all files below ``path``."""
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return digest_value({file.relative_to(path).as_posix(): digest_file(file) for file in files})
