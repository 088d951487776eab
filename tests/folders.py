"""Folders made once for all test processes, by the first that asks; one digest of a whole folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return the folder ``name``, filled by ``make`` unless another process of this run has filled it."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with FileLock(shared / f"{name}.lock"):
        if not (shared / name).is_dir():
            draft = factory.mktemp(name)
            make(draft)
            draft.rename(shared / name)
    return shared / name


def digest_folder(path: Path) -> str:
    """Return one sha256 over the names and contents of all files below ``path``."""
    from cocktail.files.records import digest_file, digest_value  # imports pandas: only tests that ask pay

    files = sorted(file for file in path.rglob("*") if file.is_file())
    return digest_value({file.relative_to(path).as_posix(): digest_file(file) for file in files})
