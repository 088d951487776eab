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


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up study after every stage, in the layout of the repository. Read it; copy it to change it."""
    from answers_fixture import finish_study, study_params  # imports evaluate: only tests that ask pay

    root = tmp_path_factory.mktemp("study")
    finish_study(root, study_params())
    return root
