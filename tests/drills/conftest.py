"""A finished study for drills; how hard they hit is set in the environment."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def study(finished_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a made-up finished study, which a drill may break."""
    return Path(shutil.copytree(finished_study, tmp_path_factory.mktemp("drill") / "study"))
