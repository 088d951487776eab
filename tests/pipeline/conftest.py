"""The study smoke after its run, for all pipeline tests."""

from __future__ import annotations

import os
import shutil

import pytest
from clone import Clone, copy_work_tree
from filelock import FileLock


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """The study smoke, run to the end and committed: once for all test processes, and a copy for each."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with FileLock(shared / "smoke.lock"):
        if not (shared / "smoke").is_dir():
            made = copy_work_tree(tmp_path_factory.mktemp("smoke"))
            made.done("dvc", "repro")
            made.done("git", "add", "--all")
            made.done("git", "commit", "--quiet", "--message", "results")
            made.root.rename(shared / "smoke")
    copy = base / "smoke-of-one"
    shutil.copytree(shared / "smoke", copy, symlinks=True)
    return Clone(copy)
