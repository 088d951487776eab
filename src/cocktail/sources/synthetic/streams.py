"""Random streams, and the wall between test texts and all other texts.

A small world repeats itself: with free sampling, one test sentence in ten turned up in training or in
the pretraining text. So every text has a side, fixed by a digest of the text itself: about one in
``HELD_OUT_IN`` is held out. Test parts draw until they hit held-out texts, train parts and the
pretraining text draw until they hit others. This needs no list of test texts and holds for every seed
and size.
"""

from __future__ import annotations

import hashlib
import html
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

HELD_OUT_IN = 8
_TRIES = 2000
_URL = re.compile(r"https?://\S+")

T = TypeVar("T")


def stream(seed: int, *names: str) -> np.random.Generator:
    """Return the generator of one named stream; other names give independent streams."""
    return np.random.default_rng([seed, zlib.crc32("/".join(names).encode("utf-8"))])


def plain(text: str) -> str:
    """Return the text as leakage sees it: no URLs, no HTML entities, no case, single spaces."""
    return " ".join(_URL.sub(" ", html.unescape(text)).lower().split())


def held_out(text: str) -> bool:
    """Return True for the texts that only test parts may contain."""
    return hashlib.sha256(plain(text).encode("utf-8")).digest()[0] % HELD_OUT_IN == 0


def first(made: Any) -> str:
    """Return the text of a pair, which stands first."""
    return str(made[0])


def draw(make: Callable[[], T], *, text: Callable[[T], str] = first, test: bool) -> T:
    """Call ``make`` until its text lies on the wanted side of the wall.

    Args:
        text: finds the text in what was made.

    Raises:
        RuntimeError: no such text in many tries; the generator's space is too small (a fault of ours).
    """
    for _ in range(_TRIES):
        made = make()
        if held_out(text(made)) == test:
            return made
    raise RuntimeError("the space of this text generator is too small for this side of the wall")


def draw_distinct(make: Callable[[], T], *, text: Callable[[T], str] = first, test: bool) -> Iterator[T]:
    """Yield what :func:`draw` returns, without end and no text twice."""
    seen: set[str] = set()
    while True:
        for _ in range(_TRIES):
            made = draw(make, text=text, test=test)
            if plain(text(made)) not in seen:
                break
        else:
            raise RuntimeError("this text generator has no further texts on this side of the wall")
        seen.add(plain(text(made)))
        yield made
