"""One digest of a whole folder, to compare what two goes wrote."""

from __future__ import annotations

from pathlib import Path

from cocktail.files.records import digest_file, digest_value


def digest_folder(path: Path) -> str:
    """Return one sha256 over the names and contents of all files below ``path``."""
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return digest_value({file.relative_to(path).as_posix(): digest_file(file) for file in files})
