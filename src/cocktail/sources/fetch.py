"""Fetch the raw files of all sources, each with a receipt; and check those that are there.

The receipt says what came in, from where, and under which licence. It holds no time, host or folder, so that
equal raw files have equal receipts.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cocktail.config import FetchConfig, SourceConfig
from cocktail.errors import CocktailError, SourceError
from cocktail.files.records import digest_file, fresh_folder, list_digests, read_json, write_json
from cocktail.sources.read import Malformed, read_rows

RECEIPT = "receipt.json"


def fetch_sources(raw: Path, fetch: FetchConfig, names: Collection[str] | None = None) -> None:
    """Write ``raw/<source>/`` for every source of the configuration, whole or not at all.

    Args:
        raw: the folder of all sources.
        fetch: where they come from.
        names: the sources that are wanted; None: all.

    Raises:
        SourceError: a file cannot be had, or is not the one expected.
        DataError: a file cannot be read.
    """
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        wanted = [name for name in fetch.sources if names is None or name in names]
        bar = progress.add_task("", total=len(wanted))
        for number, name in enumerate(wanted, start=1):
            backend = fetch.backend_of(name)
            progress.update(bar, description=f"fetch {name} ({backend}), {number} of {len(wanted)}")
            with fresh_folder(raw / name) as folder:
                origin = _write_files(folder, name=name, fetch=fetch)
                source = fetch.sources[name]
                write_receipt(folder, name=name, source=source, backend=backend, origin=origin)
                list_digests(folder)
            progress.advance(bar)


def verify_raw(raw: Path, fetch: FetchConfig, names: Collection[str] | None = None) -> None:
    """Check every raw file against the expected sha256, or against its receipt where none is expected.

    Args:
        raw: the folder of all sources.
        fetch: what is expected.
        names: the sources that are checked; None: all.

    Raises:
        SourceError: one or more are missing or differ; all are named.
    """
    problems: list[str] = []
    for name, source in fetch.sources.items():
        if names is not None and name not in names:
            continue
        try:
            receipt = read_json(raw / name / RECEIPT)
            seen = {file["path"]: file["sha256"] for file in receipt["files"]}
            for file in source.files:
                expected = file.sha256 or seen.get(file.path)
                check_digest(raw / name / file.path, expected=expected, key=f"fetch.sources.{name}")
        except CocktailError as error:
            problems.append(f"{name}: {error.what} ({error.where})")
    if problems:
        raise SourceError("\n".join(problems), where=str(raw), fix="dvc repro --single-item --force fetch")


def _write_files(folder: Path, *, name: str, fetch: FetchConfig) -> Origin:
    """Write a source's files; return where they came from."""
    source, backend = fetch.sources[name], fetch.backend_of(name)
    if backend == "synthetic":
        from cocktail.sources.synthetic import write_source

        write_source(name, folder, files=source.files, world=fetch.world)
        # Pinned: a function of the package and of fetch.world, the same everywhere.
        return Origin(source.revision, pinned=True)
    if backend in ("mirror", "folder"):
        from cocktail.sources import mirror

        place = Path() if backend == "folder" else mirror.mirror_folder(fetch)
        for file in source.files:
            mirror.copy_file(place, source, file.path, folder / file.path)
        return Origin(source.revision, pinned=all(file.sha256 for file in source.files))
    from cocktail.sources import hub

    pin = re.fullmatch("[0-9a-f]{40}", source.revision or "")  # a whole commit, no branch
    commit = pin[0] if pin else hub.resolve_commit(source)
    remote = hub.remote_paths(source, commit=commit)
    for path, found in remote.items():
        hub.copy_file(source, found, folder / path, commit=commit)
    return Origin(commit, pinned=pin is not None, remote=remote)


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
