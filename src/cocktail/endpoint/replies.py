"""Replies kept in the run store: what was answered once costs nothing again and needs no network.

DVC empties a stage's output before the stage runs, so the store keeps them, and the stage's output holds
them once more as a table that DVC versions. From there they go into another machine's store.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
from pydantic import TypeAdapter, ValidationError

from cocktail.endpoint.question import Question, Reply
from cocktail.errors import DataError, RunError
from cocktail.records import read_table, write_json

COLUMNS = ["prompt_hash", "answer", "num_tokens", "stopped"]
_REPLY = TypeAdapter(Reply)
_KEY = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Replies:
    """One small file per question below ``<store>/replies``, named by the question's key."""

    root: Path

    def get(self, question: Question) -> Reply | None:
        """Return what was replied, or None if the question is new.

        Raises:
            RunError: the stored reply is no reply.
        """
        path = self._path(question.key)
        if not path.is_file():
            return None
        try:
            return _REPLY.validate_json(path.read_bytes(), strict=True)
        except ValidationError:
            raise RunError("a stored reply was changed", where=str(path), fix=f"rm {path}") from None

    def put(self, key: str, reply: Reply) -> None:
        write_json(self._path(key), asdict(reply))

    def take(self, file: Path) -> int:
        """Put the replies of a table into the store; return how many there were.

        Raises:
            DataError: the table is none of replies.
        """
        table = read_table(file)
        try:
            replies = {
                key: _REPLY.validate_python({"text": text, "num_tokens": tokens, "stopped": stopped})
                for key, text, tokens, stopped in table[COLUMNS].itertuples(index=False, name=None)
            }
        except (KeyError, ValidationError):
            replies = {}
        if not replies or not all(_KEY.fullmatch(str(key)) for key in replies):
            raise DataError(
                "not a table of an endpoint's replies", where=str(file), fix="a table of asked.parquet's form"
            )
        for key, reply in replies.items():
            self.put(key, reply)
        return len(replies)

    def _path(self, key: str) -> Path:
        return self.root / "replies" / key[:2] / f"{key}.json"


def reply_table(replies: Mapping[str, Reply]) -> pd.DataFrame:
    """Return replies by key as the table that :meth:`Replies.take` reads."""
    rows = [(key, reply.text, reply.num_tokens, reply.stopped) for key, reply in replies.items()]
    return pd.DataFrame(rows, columns=COLUMNS)
