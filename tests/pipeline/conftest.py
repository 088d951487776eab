"""The study smoke after its run, for all pipeline tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from clone import Clone, copy_work_tree
from folders import made_once


@pytest.fixture(scope="session")
def finished_smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study smoke, run to the end and committed: once for all test processes. Read it only."""
    return made_once(tmp_path_factory, "smoke", _run_smoke)


@pytest.fixture(scope="session")
def smoke(finished_smoke: Path, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A copy of the finished study smoke for each test process."""
    return Clone(shutil.copytree(finished_smoke, tmp_path_factory.mktemp("own") / "smoke", symlinks=True))


def _run_smoke(root: Path) -> None:
    clone = copy_work_tree(root)
    clone.done("dvc", "repro")
    clone.done("git", "add", "--all")
    clone.done("git", "commit", "--quiet", "--message", "results")
