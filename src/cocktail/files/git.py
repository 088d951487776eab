"""Questions to git."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path

from cocktail.errors import RecordError


def ask_git(root: Path, *arguments: str) -> str:
    """Return what a git command says in the clone ``root``, without the last line break.

    Raises:
        RecordError: there is no git, no clone, or no commit.
    """
    try:
        asked = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        raise RecordError(
            "git does not answer here", where=str(root), fix="use a clone with git and a commit"
        ) from None
    return asked.stdout.strip()


def git_agrees(root: Path, *arguments: str) -> bool:
    """Tell whether a git command succeeds in ``root``; where there is no git, none does."""
    with suppress(RecordError):
        ask_git(root, *arguments)
        return True
    return False
