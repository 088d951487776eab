"""Fixtures that several folders of tests share. (Its place puts ``tests/`` on the import path.)"""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder with real data; tests that need it are skipped where there is none."""
    folder = os.environ.get("COCKTAIL_MIRROR")
    if not folder:
        pytest.skip("COCKTAIL_MIRROR names no folder with real data")
    return Path(folder)
