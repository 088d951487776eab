"""Raw files from a folder laid out as the Hub lays out its repositories: ``<org>/<name>/<file>``.

For clusters without network: download once, carry the folder over. The folder is no DVC dependency (it
lies outside the project), so expected digests stand in the configuration.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from cocktail.config import FetchConfig, SourceConfig
from cocktail.errors import SourceError

VARIABLE = "COCKTAIL_MIRROR"


def mirror_folder(fetch: FetchConfig) -> Path:
    """Return the mirror folder: ``fetch.mirror``, else the environment's ``COCKTAIL_MIRROR``.

    Raises:
        SourceError: neither is set, or it is no folder.
    """
    name = fetch.mirror or os.environ.get(VARIABLE)
    if not name:
        raise SourceError(
            "no mirror folder is named", where="fetch.mirror", fix=f"set it, or export {VARIABLE}"
        )
    if not Path(name).is_dir():
        raise SourceError("the mirror is no folder", where=name, fix=f"correct fetch.mirror or {VARIABLE}")
    return Path(name)


def copy_file(mirror: Path, source: SourceConfig, path: str, target: Path) -> None:
    """Copy one file of a source out of the mirror; of backend folder, out of the folder that ``repo`` names.

    Raises:
        SourceError: the mirror has no such file, it cannot be read, or it is a link to a place outside.
    """
    origin = mirror / source.repo / path
    if mirror.resolve() not in origin.resolve().parents:
        raise SourceError(
            "a link of the mirror leads out of it",
            where=f"{origin} -> {origin.resolve()}",
            fix="copy the file into the mirror, or name the folder above both as the mirror",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copyfile(origin, target)
    except FileNotFoundError:
        whose = f"download {path} of https://huggingface.co/datasets/{source.repo} to that place"
        if source.backend == "folder":
            whose = "put the file there; a task made by `cocktail new-task` has its rows on that machine only"
        what = "the folder" if source.backend == "folder" else "the mirror"
        raise SourceError(f"{what} lacks a file", where=str(origin), fix=whose) from None
    except OSError as error:
        raise SourceError(
            f"the mirror's file cannot be copied ({error.strerror})", where=str(origin)
        ) from None
