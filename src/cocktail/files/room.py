"""Room for a stage: drafts of killed processes are swept, and DVC's cache must hold what the stage writes.

Where the disk is full, DVC says so, goes on, and ends with exit code 0.
"""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import yaml

from cocktail.errors import RunError
from cocktail.life import STAGE

SPARE = 1 << 20  # bytes: lists of files, and dvc.lock


def check_room() -> None:
    """End a stage that DVC started where the cache has no room for what the stage wrote.

    Raises:
        RunError: says how much is lacking; DVC then keeps nothing of the stage.
    """
    cache = cache_folder()
    if not os.environ.get(STAGE) or not cache.parent.is_dir():
        return
    cache.mkdir(exist_ok=True)
    files = [file for out in _outputs() for file in (out, *out.rglob("*")) if file.is_file()]
    free = shutil.disk_usage(cache).free - SPARE
    if sum(file.stat().st_size for file in files) <= free:
        return
    needed = sum(file.stat().st_size for file in files if not _cached(file, cache))
    if needed and needed > free:
        raise RunError(
            f"the disk is full: DVC's cache needs {needed / 1e6:.1f} MB, free are {max(free, 0) / 1e6:.1f}",
            where=str(cache),
            fix="make room, or `dvc gc --workspace`; the same command goes on",
        )


def sweep_drafts() -> None:
    """Take away the drafts of a stage's outputs that killed processes left; DVC lets one stage at them."""
    if not os.environ.get(STAGE) or not Path("dvc.yaml").is_file():
        return
    for out in _outputs(cached_only=False):
        for draft in out.parent.glob(f".{glob.escape(out.name)}.{'[0-9a-f]' * 16}.tmp"):
            if draft.is_dir():
                shutil.rmtree(draft, ignore_errors=True)
            else:
                draft.unlink(missing_ok=True)


def cache_folder(root: Path = Path()) -> Path:
    """Return DVC's cache of a repository: what its configuration names, else ``.dvc/cache``."""
    config = ConfigParser(interpolation=None)
    config.read([root / ".dvc/config", root / ".dvc/config.local"], encoding="utf-8")
    return root / ".dvc" / config.get("cache", "dir", fallback="cache")


def outputs(stage: Any, model: str, *, cached_only: bool = True) -> Iterator[Path]:
    """Yield the outputs of a stage of dvc.yaml: those that DVC caches, or all."""
    for out in (*stage.get("outs", ()), *stage.get("metrics", ())):
        path, options = next(iter(out.items())) if isinstance(out, dict) else (out, {})
        if options.get("cache", True) or not cached_only:
            yield Path(path.replace("${item.model}", model))


def _outputs(*, cached_only: bool = True) -> list[Path]:
    """The outputs of the stage that DVC has started."""
    stages = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
    stage, _, model = os.environ[STAGE].rpartition(":")[2].partition("@")
    return list(outputs(stages.get(stage, {}), model, cached_only=cached_only))


def _cached(file: Path, cache: Path) -> bool:
    with file.open("rb") as stream:
        name = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    return (cache / "files/md5" / name[:2] / name[2:]).is_file()
