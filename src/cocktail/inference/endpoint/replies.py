"""Replies to many questions: equal ones are asked once, stored ones never, several at a time; each is kept.

What was answered once costs nothing again and needs no network. DVC empties a stage's output before the
stage runs, so the run store keeps replies, and the stage's output holds them once more as a table that DVC
versions. From there they go into another machine's store. Each reply has a digest, with which a changed one
is found.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.progress import track

from cocktail.config import EndpointConfig
from cocktail.errors import DataError
from cocktail.files.records import digest_value, read_table, write_json
from cocktail.files.store import set_aside
from cocktail.inference.endpoint.chat import EndpointQuestion, Reply

COLUMNS = ["prompt_hash", "answer", "num_tokens", "stopped"]
_REPLY = TypeAdapter(Reply)
_KEY = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Replies:
    """One small file per question below ``<store>/replies``, named by the question's key."""

    root: Path

    def get(self, question: EndpointQuestion) -> Reply | None:
        """Return what was replied, or None if the question is new; what is no reply to it is set aside.

        Raises:
            RunError: what is no reply to it cannot be set aside.
        """
        path, key = self._path(question.key), question.key
        reply = _read(path, key) if path.is_file() else None
        if reply or not path.is_file():
            return reply
        fresh = set_aside(self.root, path, lambda aside: None if _read(aside, key) else "not as it came")
        return _read(fresh, key) if fresh else None

    def put(self, key: str, reply: Reply) -> None:
        write_json(self._path(key), {**asdict(reply), "digest": digest_of(key, reply)})

    def take(self, file: Path) -> int:
        """Put the replies of a table into the store; return how many there were.

        Those that are not as they came are left out, which is told on stderr. Tables of answers have no
        digests: whoever carries them is believed.

        Raises:
            DataError: the table is none of replies, or not one is as it came.
        """
        table = read_table(file)
        try:
            rows = table[COLUMNS].itertuples(index=False, name=None)
            replies = {
                key: _REPLY.validate_python({"text": text, "num_tokens": tokens, "stopped": stopped})
                for key, text, tokens, stopped in rows
            }
        except (KeyError, ValidationError):
            replies = {}
        if not replies or not all(_KEY.fullmatch(str(key)) for key in replies):
            raise DataError(
                "not a table of an endpoint's replies", where=str(file), fix="a table of asked.parquet's form"
            )
        digests = dict(zip(table["prompt_hash"], table["digest"], strict=True)) if "digest" in table else {}
        whole = {
            key: reply
            for key, reply in replies.items()
            if not digests or digests[key] == digest_of(key, reply)
        }
        if changed := len(replies) - len(whole):
            told = f"{changed} of {len(replies)} replies are not as they came"
            if not whole:
                raise DataError(told, where=str(file))
            print(f"{file}: {told}, and are left out", file=sys.stderr)
        for key, reply in whole.items():
            self.put(key, reply)
        return len(whole)

    def _path(self, key: str) -> Path:
        return self.root / "replies" / key[:2] / f"{key}.json"


def digest_of(key: str, reply: Reply) -> str:
    """Return the digest of a reply and of the question that it was given to."""
    return digest_value([key, asdict(reply)])


def reply_table(replies: Mapping[str, Reply]) -> pd.DataFrame:
    """Return replies by key as the table that :meth:`Replies.take` reads."""
    rows = [(key, one.text, one.num_tokens, one.stopped, digest_of(key, one)) for key, one in replies.items()]
    return pd.DataFrame(rows, columns=[*COLUMNS, "digest"])


def is_whole(path: Path, key: str) -> bool:
    """Tell whether a file holds the reply to the question with this key, as it came."""
    return _read(path, key) is not None


def _read(path: Path, key: str) -> Reply | None:
    """A stored reply, None if it is not as it came."""
    try:
        content = path.read_bytes()
        reply = _REPLY.validate_json(content, strict=True)
        return reply if json.loads(content).get("digest") == digest_of(key, reply) else None
    except (OSError, ValueError):  # pydantic's error is a ValueError
        return None


def ask_all(
    questions: Iterable[EndpointQuestion], *, settings: EndpointConfig, store: Path, label: str
) -> tuple[dict[str, Reply], dict[str, int]]:
    """Return the reply to every question by its key, and counts of what was sent for it.

    Each reply is stored as it comes, so a run that breaks off goes on where it was. Where the store has
    them all, neither address nor network is needed.

    Raises:
        EndpointError: something is new and no endpoint is named, or it gave no answer to it.
    """
    replies, distinct = Replies(store), {question.key: question for question in questions}
    known = {key: replies.get(question) for key, question in distinct.items()}
    missing = [question for key, question in distinct.items() if known[key] is None]
    counts = {"questions": len(distinct), "asked": len(missing)}
    if missing:
        counts |= _ask(missing, replies, settings=settings, label=label)
        known |= {question.key: replies.get(question) for question in missing}
    return {key: reply for key, reply in known.items() if reply is not None}, counts


def _ask(
    missing: list[EndpointQuestion], replies: Replies, *, settings: EndpointConfig, label: str
) -> dict[str, int]:
    from cocktail.inference.endpoint.address import read_address  # imports urllib3: only who asks pays
    from cocktail.inference.endpoint.client import Client

    client, console = Client(read_address(), settings), Console(stderr=True)
    with ThreadPoolExecutor(settings.concurrency) as threads:
        try:
            asked = [
                threads.submit(lambda one: replies.put(one.key, client.ask(one)), one) for one in missing
            ]
            for future in track(
                as_completed(asked), label, total=len(asked), console=console, disable=not console.is_terminal
            ):
                future.result()
        finally:
            threads.shutdown(wait=False, cancel_futures=True)  # after an error: ask nothing more
    listed = ", ".join(
        f"{name.replace('_', ' ')} {count}" for name, count in sorted(client.counts.items()) if count
    )
    console.print(f"{label}: {listed}", markup=False, highlight=False, soft_wrap=True)
    return dict(client.counts)
