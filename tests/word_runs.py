"""Texts that share a run of words: found by hashed n-grams of words.

A word is a run of letters or digits in lower case, so spacing, case and punctuation do not hide a match. Runs
are compared as 64-bit hashes: among 10^8 runs of one side and 10^7 of the other a false match is expected in
one of 10^4 comparisons.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
WORD = re.compile(r"[^\W_]+")
FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, so that every position of a run counts


class WordRuns:
    """The runs of ``num_words`` words of some texts; keeps the hash of each word it has met."""

    def __init__(self, texts: Sequence[str], *, num_words: int) -> None:
        self._num_words = num_words
        self._hashes: dict[str, int] = {}
        self._known = np.unique(np.concatenate([np.empty(0, dtype=np.uint64), *map(self._of, texts)]))

    def shares(self, text: str) -> bool:
        """Return whether the text shares a run with any of the texts."""
        runs = self._of(text)
        if not len(runs) or not len(self._known):
            return False
        places = np.searchsorted(self._known, runs)
        return bool((self._known[np.minimum(places, len(self._known) - 1)] == runs).any())

    def _of(self, text: str) -> Hashes:
        """The hash of each run in order; none where the text has fewer words."""
        words = WORD.findall(text.lower())
        size = max(0, len(words) - self._num_words + 1)
        hashes = np.fromiter(map(self._hash, words), dtype=np.uint64, count=len(words))
        runs = np.zeros(size, dtype=np.uint64)
        with np.errstate(over="ignore"):  # arithmetic modulo 2**64 is meant
            for offset in range(self._num_words):
                runs = runs * FACTOR + hashes[offset : offset + size]
        return runs

    def _hash(self, word: str) -> int:
        found = self._hashes.get(word)
        if found is None:
            found = int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "little")
            self._hashes[word] = found
        return found
