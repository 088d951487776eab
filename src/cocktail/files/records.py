"""Files that are whole or absent: atomic writes, canonical JSON, digests.

Every file of the package goes through here, so a stage that dies leaves nothing that a later one would
take for finished, and equal content means equal bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import pandas as pd

from cocktail.errors import DataError, RecordError, first_line

DIGESTS = "digests.json"  # beside files: the sha256 of each, by name
UNCHECKED = (DIGESTS, "runtime.json")  # the list itself, and what no result hangs on
MEND = "cocktail fsck --mend, then the same command"


@contextmanager
def fresh_file(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of ``path``; it takes ``path``'s place only if the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft(path)
    try:
        yield draft
        _to_disk(draft)
        draft.replace(path)
        _to_disk(path.parent)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def fresh_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary sibling folder; it replaces ``path`` only if the block ends well.

    The old folder is moved aside before the new one takes its place, and only then deleted: one of them is
    always whole, even where the old one cannot be deleted.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft, old = _draft(path), _draft(path)
    draft.mkdir()
    try:
        yield draft
        for place in (*draft.rglob("*"), draft):
            _to_disk(place)
        with suppress(FileNotFoundError):
            path.rename(old)
        try:
            draft.rename(path)
        except OSError:
            with suppress(FileNotFoundError):
                old.rename(path)
            raise
        _to_disk(path.parent)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _draft(path: Path) -> Path:
    """A hidden sibling with a random name: processes of two containers may share a number."""
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")


def _to_disk(place: Path) -> None:
    """Wait until a file, or a folder's list of names, would survive a loss of power."""
    if place.is_symlink():
        return  # its name is in the folder's list
    descriptor = os.open(place, os.O_RDONLY)
    try:
        with suppress(OSError) if place.is_dir() else nullcontext():  # not every file system does folders
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys, two spaces, and a final line break; NaN is an error."""
    return json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_text(path: Path, text: str) -> Path:
    """Write a text as UTF-8, atomically; return its path."""
    with fresh_file(path) as draft:
        draft.write_text(text, encoding="utf-8")
    return path


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as canonical JSON, atomically."""
    write_text(path, canonical_json(value))


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        RecordError: the file is missing, is not JSON, or is not as the list beside it says.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise RecordError("a result file is missing", where=str(path), fix="dvc repro") from None
    check_listed(path, hashlib.sha256(content).hexdigest())
    try:
        return json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # ValueError: not JSON, not UTF-8, a number of 5,000 digits
        raise RecordError(f"not readable as JSON ({error})", where=str(path), fix="dvc repro") from None


def write_digested(path: Path, facts: Mapping[str, Any]) -> None:
    """Write a mapping as JSON with its own digest: for a file that has no list beside it."""
    write_json(path, {**facts, "digest": digest_value(dict(facts))})


def read_digested(path: Path) -> dict[str, Any]:
    """Read what :func:`write_digested` wrote, or an older version without a digest.

    Raises:
        RecordError: the file is missing, is no mapping, or is not what was written.
    """
    facts = read_json(path)
    digest = facts.pop("digest", None) if isinstance(facts, dict) else ""
    if digest is not None and not has_digest(facts, digest):
        raise RecordError("not what was written, says its digest", where=str(path), fix=MEND)
    return dict(facts)


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a Parquet table without an index, atomically; equal tables give equal bytes."""
    with fresh_file(path) as draft:
        table.to_parquet(draft, index=False, write_page_checksum=True)


def read_table(path: Path) -> pd.DataFrame:
    """Read a Parquet table.

    Raises:
        DataError: the file is missing, cut short or not Parquet.
        RecordError: it is not as the list beside it says.
    """
    import pyarrow as pa  # a review's commands read no tables, and have no pyarrow

    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError("a table is missing", where=str(path), fix="dvc repro") from None
    check_listed(path, hashlib.sha256(content).hexdigest())
    try:
        return pd.read_parquet(pa.BufferReader(content), page_checksum_verification=True)
    except Exception as error:  # whatever a library throws at bytes that are no table, or no longer
        raise DataError(f"not readable as Parquet ({first_line(error)})", where=str(path), fix=MEND) from None


def list_digests(folder: Path) -> None:
    """Write a ``digests.json`` into every folder, from ``folder`` down, that has files: one line a file.

    Whoever reads one of them later, from DVC's cache or a remote, sees whether it is the one that was
    written: DVC itself never looks at what it has cached.
    """
    for place in (folder, *sorted(path for path in folder.rglob("*") if path.is_dir())):
        files = [file for file in place.iterdir() if file.is_file() and file.name not in UNCHECKED]
        if files:
            write_json(place / DIGESTS, {file.name: digest_file(file) for file in files})


def check_listed(path: Path, digest: str | None = None) -> None:
    """Hold a file against the ``digests.json`` beside it; where there is none, an older version wrote it.

    Args:
        digest: of the file's bytes, if the caller has read them.

    Raises:
        RecordError: the file is not what was written, is not listed, or the list cannot be read.
    """
    listing = path.with_name(DIGESTS)
    if path.name in UNCHECKED or not listing.is_file():
        return
    listed = read_json(listing)
    if not isinstance(listed, dict):
        raise RecordError("a list of digests is none", where=str(listing), fix=MEND)
    if listed.get(path.name) != (digest or digest_file(path)):
        raise RecordError(f"not what was written: {DIGESTS} says otherwise", where=str(path), fix=MEND)


def digest_text(text: str) -> str:
    """Return the sha256 of a text's UTF-8 bytes, in hex."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def digest_value(value: Any) -> str:
    """Return the sha256 of a value's canonical JSON."""
    return digest_text(canonical_json(value))


def has_digest(value: Any, digest: Any) -> bool:
    """Tell whether a value that was read has this digest; one that we could not have written has none."""
    try:
        return bool(digest == digest_value(value))
    except (ValueError, RecursionError):  # half a character, a number without end
        return False


def digest_file(path: Path) -> str:
    """Return the sha256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
