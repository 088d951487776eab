"""Wheels for pip, and for tests that do without it."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_wheels import PARTS, TRAP, member, write_wheel

from cocktail.training.bases import packages


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with both wheels, the only place where pip looks; modules in them leave a trace when run."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name, content in PARTS.items():
        trap = TRAP.format(str(tmp_path / "trace")).encode()
        beside = {f"{name.replace('-', '_')}/__init__.py": trap, "sitecustomize.py": trap, "beside.bin": b"x"}
        write_wheel(folder, name, {member(name): content, **beside})
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def without_pip(wheels: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is wrong within a wheel is the same whoever brought it: pip takes a second each time."""
    monkeypatch.setattr(
        packages,
        "_download",
        lambda package, _: wheels / f"{package.name.replace('-', '_')}-1.0-py3-none-any.whl",
    )
    return wheels
