"""Text corpora from a folder: ``<name>.jsonl.xz``, one document a line with the field ``text``.

The folder is no DVC dependency (it lies outside the project), so the expected digests stand in the
configuration. A document is cut into passages at ends of sentences: passages are what is checked for overlap,
dropped and drawn, since one hit should not cost a whole book or filing.
"""

from __future__ import annotations

import json
import lzma
import os
from collections.abc import Iterator
from pathlib import Path

from cocktail.config import CorporaConfig
from cocktail.errors import SourceError
from cocktail.records import digest_file

VARIABLE = "COCKTAIL_CORPORA"
ENDS = ("\n", ". ", "? ", "! ", "; ", " ")  # where a passage may end, best first


def corpora_folder(config: CorporaConfig) -> Path:
    """Return the folder of corpora: ``corpora.folder``, else the environment's ``COCKTAIL_CORPORA``.

    Raises:
        SourceError: neither is set, or it is no folder.
    """
    name = config.folder or os.environ.get(VARIABLE)
    if not name:
        raise SourceError(
            "no folder of corpora is named",
            where="corpora.folder",
            fix=f"set it, or export {VARIABLE}; a base that was pulled needs none (README, Study small)",
        )
    if not Path(name).is_dir():
        raise SourceError("the folder of corpora is no folder", where=name, fix=f"correct {VARIABLE}")
    return Path(name)


def check_corpus(path: Path, expected: str | None) -> str:
    """Return the digest of a corpus file.

    Raises:
        SourceError: it is missing, or is not the one expected.
    """
    if not path.is_file():
        raise SourceError("a corpus is missing", where=str(path), fix="corpora.files names it")
    found = digest_file(path)
    if expected is not None and found != expected:
        raise SourceError(
            f"the corpus is another one: sha256 {found}, expected {expected}",
            where=str(path),
            fix="the file that corpora.files expects, or its new digest there",
        )
    return found


def read_documents(path: Path) -> Iterator[str]:
    """Yield the text of each document.

    Raises:
        SourceError: the file cannot be unpacked, or a line is no JSON object with a text; names the line.
    """
    number = 0
    try:
        with lzma.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                yield _text(json.loads(line))
                number += 1
    except (lzma.LZMAError, EOFError, ValueError) as error:  # JSON and UTF-8 errors are ValueErrors
        raise SourceError(
            f"not readable after line {number} ({str(error).splitlines()[0]})", where=str(path)
        ) from None


def passages(text: str, *, length: int) -> list[str]:
    """Cut a document into passages of at most ``length`` characters, at ends of sentences if it can."""
    cut, start = [], 0
    while start < len(text):
        end = start + length
        if end < len(text):
            end = _end(text, start + length // 2, end)
        cut.append(text[start:end].strip())
        start = end
    return [passage for passage in cut if passage]


def _end(text: str, low: int, high: int) -> int:
    for mark in ENDS:
        found = text.rfind(mark, low, high)
        if found >= 0:
            return found + len(mark)
    return high


def _text(document: object) -> str:
    if not isinstance(document, dict) or not isinstance(document.get("text"), str):
        raise ValueError("a document is an object with the field text")
    return str(document["text"])
