"""The receipt of a fetch: what came in, from where, and under which licence.

Holds no time, host or folder, so that equal raw files have equal receipts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cocktail.config import SourceConfig
from cocktail.errors import SourceError
from cocktail.files.records import digest_file, write_json
from cocktail.sources.read import Malformed, read_rows

RECEIPT = "receipt.json"


@dataclass(frozen=True)
class Origin:
    """Where a source's files came from; ``remote``: on the Hub, each file's path there by its local path."""

    revision: str | None
    pinned: bool
    remote: Mapping[str, str] = field(default_factory=dict)


def write_receipt(folder: Path, *, name: str, source: SourceConfig, backend: str, origin: Origin) -> None:
    """Write ``receipt.json`` into a source's folder; counts rows with the reader that prepare uses.

    Raises:
        SourceError: a file is missing or has another sha256 than expected.
        DataError: a file cannot be read.
    """
    files = []
    for file in source.files:
        path = folder / file.path
        check_digest(path, expected=file.sha256, key=f"fetch.sources.{name}")
        rows, malformed = 0, 0
        for _, row in read_rows(path):
            rows, malformed = rows + 1, malformed + isinstance(row, Malformed)
        files.append(
            {
                "path": file.path,
                **({"remote": origin.remote[file.path]} if origin.remote else {}),
                "split": file.split,
                "bytes": path.stat().st_size,
                "sha256": digest_file(path),
                "rows": rows,
                "malformed": malformed,
            }
        )
    receipt = {
        "source": name,
        "repo": source.repo,
        "revision": origin.revision,
        "pinned": origin.pinned,
        "backend": backend,
        "licence": source.licence,
        "status": source.status,
        "files": files,
    }
    write_json(folder / RECEIPT, receipt)


def check_digest(path: Path, *, expected: str | None, key: str) -> None:
    """Compare a file with the sha256 that the configuration expects; None expects nothing.

    Raises:
        SourceError: the file is missing or differs.
    """
    if not path.is_file():
        raise SourceError("a raw file is missing", where=str(path), fix=f"check {key} and fetch again")
    if expected is None:
        return
    found = digest_file(path)
    if found != expected:
        raise SourceError(
            f"sha256 is {found}, expected {expected}",
            where=str(path),
            fix=f"get the file again, or, if the new content is meant, set sha256 under {key}",
        )
