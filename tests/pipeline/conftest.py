"""Fixtures of the pipeline tests: the study smoke, before and after its run."""

from __future__ import annotations

import pytest
from clone import Clone, copy_work_tree


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """The study smoke, not run yet."""
    return copy_work_tree(tmp_path_factory.mktemp("fresh"))


@pytest.fixture(scope="session")
def smoke(clone: Clone) -> Clone:
    """The study smoke, run to the end and committed."""
    clone.done("dvc", "repro")
    clone.done("git", "add", "--all")
    clone.done("git", "commit", "--quiet", "--message", "results")
    return clone
