"""Puts the files of a study into sdist and wheel, for `cocktail init`; all else stands in pyproject.toml."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).parent
PACKED = Path("cocktail/_study")


def study_files() -> list[Path]:
    """The files of a study, relative to the top of the repository."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        patterns = tomllib.load(file)["tool"]["cocktail"]["study"]
    found = {path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()}
    return sorted(path.relative_to(ROOT) for path in found)


class BuildWithStudy(build_py):
    """The package with a copy of those files; an editable one finds them at the top of the repository."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for path in study_files():
            target = Path(self.build_lib) / PACKED / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, target)


class SdistWithStudy(sdist):
    """The sources with those files, and what a reader of them asks for."""

    def make_distribution(self) -> None:
        more = [Path(name) for name in ("CHANGELOG.md", "CITATION.cff")]
        self.filelist.extend([path.as_posix() for path in [*study_files(), *more]])
        super().make_distribution()


setup(cmdclass={"build_py": BuildWithStudy, "sdist": SdistWithStudy})
