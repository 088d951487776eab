"""Passages that share a run of words with the evaluated sets: found by hashed n-grams of words.

A word is a run of letters or digits in lower case, so spacing, case and punctuation do not hide a match. Runs
are compared as 64-bit hashes: among 10^8 runs of text and 10^7 of questions a false match is expected once in
10^4 studies, and would cost one passage.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
WORD = re.compile(r"[^\W_]+")
FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, so that every position of a run counts


class WordRuns:
    """Hashes the runs of ``num_words`` words in texts; keeps the hash of each word it has met."""

    def __init__(self, num_words: int) -> None:
        self._num_words = num_words
        self._known: dict[str, int] = {}

    def of(self, text: str) -> Hashes:
        """Return the hash of each run in order; none where the text has fewer words."""
        words = WORD.findall(text.lower())
        if len(words) < self._num_words:
            return np.empty(0, dtype=np.uint64)
        hashes = np.fromiter(map(self._hash, words), dtype=np.uint64, count=len(words))
        size = len(words) - self._num_words + 1
        runs = np.zeros(size, dtype=np.uint64)
        with np.errstate(over="ignore"):  # arithmetic modulo 2**64 is meant
            for offset in range(self._num_words):
                runs = runs * FACTOR + hashes[offset : offset + size]
        return runs

    def _hash(self, word: str) -> int:
        found = self._known.get(word)
        if found is None:
            found = int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "little")
            self._known[word] = found
        return found


class Overlap:
    """The runs of words of every evaluated set, and how often text was found to share them."""

    def __init__(self, sets: Iterable[tuple[str, Sequence[str]]], *, num_words: int) -> None:
        self._runs = WordRuns(num_words)
        self._sets = {name: self._all(texts) for name, texts in sets}
        self._every = np.unique(np.concatenate([np.empty(0, dtype=np.uint64), *self._sets.values()]))
        self.hits: dict[str, int] = dict.fromkeys(self._sets, 0)

    def shares(self, passage: str) -> bool:
        """Return whether the passage shares a run with any set; counts it for each set it shares one with."""
        runs = self._runs.of(passage)
        if not _meet(runs, self._every):
            return False
        for name, mine in self._sets.items():
            self.hits[name] += _meet(runs, mine)
        return True

    def _all(self, texts: Sequence[str]) -> Hashes:
        return np.unique(np.concatenate([np.empty(0, dtype=np.uint64), *map(self._runs.of, texts)]))


def _meet(runs: Hashes, known: Hashes) -> bool:
    """Whether any of ``runs`` is in the sorted array ``known``."""
    if not len(runs) or not len(known):
        return False
    places = np.searchsorted(known, runs)
    return bool((known[np.minimum(places, len(known) - 1)] == runs).any())
