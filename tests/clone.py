"""A temporary copy of the work tree as a repository of its own, in which whole stages are run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Clone:
    """A repository in ``root`` whose runs are kept in ``root/.store``."""

    root: Path

    def environment(self) -> dict[str, str]:
        """The environment in which commands of the clone are run."""
        bin_folder = Path(sys.executable).parent
        settings = {
            **os.environ,
            "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": "src",
            "HF_HUB_OFFLINE": "1",
            "DVC_NO_ANALYTICS": "1",
            "GIT_AUTHOR_NAME": "test",
            "GIT_AUTHOR_EMAIL": "test@example.org",
            "GIT_COMMITTER_NAME": "test",
            "GIT_COMMITTER_EMAIL": "test@example.org",
        }
        settings.pop("COCKTAIL_STORE", None)
        return settings

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment's bin folder in the clone; the caller reads the exit code."""
        return subprocess.run(command, cwd=self.root, env=self.environment(), capture_output=True, text=True)

    def done(self, *command: str) -> str:
        """Run a command that must end well and return what it printed."""
        result = self.run(*command)
        assert result.returncode == 0, (
            f"{' '.join(command)}\n{result.stdout[-3000:]}\n{result.stderr[-3000:]}"
        )
        return result.stdout + result.stderr

    def stored(self, kind: str) -> set[str]:
        """The keys of the run store: ``runs`` were trained, ``answers`` were given."""
        return {path.name for path in (self.root / ".store" / kind).glob("*/*") if path.is_dir()}


def copy_work_tree(target: Path) -> Clone:
    """Copy the files git knows or would know, and commit them."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    clone = Clone(target)
    commands: Sequence[Sequence[str]] = (
        ("git", "init", "--quiet", "--initial-branch", "main"),
        ("cocktail", "params", "smoke"),
        ("git", "add", "--all"),
        ("git", "commit", "--quiet", "--message", "the study smoke"),
    )
    for command in commands:
        clone.done(*command)
    return clone
