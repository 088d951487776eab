"""What is made once for all test processes, by the first that asks for it."""

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
