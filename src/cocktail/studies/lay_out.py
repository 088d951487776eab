"""``cocktail init``: a study in a folder of its own, run by the installed package, without a fork.

The folder gets what a clone of the repository has beside ``src/``: pipeline, configuration, stages and
reference data. There is no code of the package in it, so its stages depend on ``package.txt``, which names
the version, where those of the repository depend on the rooms of ``src/cocktail``.
"""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import cocktail
from cocktail.config import check_params
from cocktail.config.compose import compose, write_params
from cocktail.errors import CocktailError
from cocktail.files.git import git_agrees
from cocktail.files.records import write_text

PACKAGE = "package.txt"
HEADER = """\
# The pipeline of one study, from raw files to a report (reports/report.html).
# The scripts in stages/ call the installed package. Its version stands in package.txt, on which every stage
# depends: whoever installs another one writes it there, and `dvc repro` runs the stages again. That trains
# nothing twice: finished runs are found in the store by what they are.
"""
EMPTY = {
    "reports/locks/README.md": "Locks of studies: `cocktail lock` writes them, before the first run.\n",
    "reports/studies/.gitkeep": "",
}
README = """\
# A study with Cocktail

Laid out by `cocktail init`, version {version}. params.yaml holds study `{study}`, composed from conf/.

```sh
git add --all && git commit --message "The study"
dvc repro                      # fetch, train, answer, score, judge; goes on where it was stopped
cocktail show
cocktail record                # keeps the finished study under reports/studies/
```

A study of one's own is a file in conf/study/: `cocktail params NAME` makes it params.yaml. `cocktail --help`
lists all commands. Every package that version {version} was tried with is pinned in requirements.lock.
"""


def lay_out(folder: Path, *, study: str, overrides: Sequence[str] = ()) -> list[Path]:
    """Write a study into an empty folder, all of it or nothing; return its files.

    A folder that only a ``.git`` is in counts as empty.

    Args:
        study: a file name in conf/study; params.yaml is its composition.

    Raises:
        CocktailError: the folder is not empty or is none, or the package came without these files.
        ConfigError: there is no such study, or an override is refused.
    """
    refuse_folder(folder)
    seed, files = study_seed()
    composed = compose(seed / "conf", study, overrides)
    check_params(composed, where=f"conf with study={study}", root=seed)
    texts = EMPTY | {
        PACKAGE: f"cocktail {package_version()}\n",
        "README.md": README.format(version=package_version(), study=study),
        "dvc.yaml": without_rooms((seed / "dvc.yaml").read_text(encoding="utf-8")),
    }
    is_new = not folder.exists()
    try:
        for path in files:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(seed / path, folder / path)
        for name, text in texts.items():
            write_text(folder / name, text)
        write_params(folder / "params.yaml", composed)
        # DVC asks for git, and a record for its commit; where there is no git, DVC is told so.
        is_clone = git_agrees(folder, "rev-parse", "--is-inside-work-tree")
        if not is_clone and not git_agrees(folder, "init", "--quiet"):
            write_text(folder / ".dvc/config.local", "[core]\n    no_scm = true\n")
    except BaseException:
        for path in [folder] if is_new else [one for one in folder.iterdir() if one.name != ".git"]:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
        raise
    return sorted({*files, *map(Path, texts), Path("params.yaml")})


def refuse_folder(folder: Path) -> None:
    """Raise where a study would be mixed with what is there.

    Raises:
        CocktailError: the path is no folder, or the folder is not empty.
    """
    if folder.exists() and not folder.is_dir():
        raise CocktailError("this is a file, no folder", where=str(folder), fix="name a new folder")
    found = sorted(path.name for path in folder.iterdir() if path.name != ".git") if folder.is_dir() else []
    if found:
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise CocktailError(
            f"the folder is not empty: {', '.join(found[:3])}{more}; nothing was written",
            where=str(folder),
            fix="cocktail init NEW_FOLDER",
        )


def study_seed() -> tuple[Path, list[Path]]:
    """Return the folder with the files of a study, and their paths in it: of the wheel, or of a clone.

    Raises:
        CocktailError: the package has none of them.
    """
    package = Path(cocktail.__file__).parent
    if (packed := package / "_study").is_dir():
        return packed, _below(packed, ["**/*"])
    clone = package.parents[1]
    if not (clone / "pyproject.toml").is_file():
        fix = "install the wheel that `make release` builds, or work in a clone"
        raise CocktailError("the package has no files of a study with it", where=str(package), fix=fix)
    settings = tomllib.loads((clone / "pyproject.toml").read_text(encoding="utf-8"))
    return clone, _below(clone, settings["tool"]["cocktail"]["study"])


def _below(folder: Path, patterns: Iterable[str]) -> list[Path]:
    found = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return sorted(path.relative_to(folder) for path in found if path.suffix != ".pyc")


def package_version() -> str:
    """Return the version of the installed package; ``unknown`` where it is only on the path."""
    try:
        return version("cocktail")
    except PackageNotFoundError:
        return "unknown"


def without_rooms(pipeline: str) -> str:
    """Return dvc.yaml with ``package.txt`` in place of the rooms of ``src/cocktail`` that a stage lists."""
    stages = pipeline[pipeline.index("stages:\n") :]
    stages = re.sub(r",\s*src/cocktail/\w+", "", stages)
    return HEADER + re.sub(r"(\bstages/\w+\.py)(?=[,\]])", rf"\1, {PACKAGE}", stages)
