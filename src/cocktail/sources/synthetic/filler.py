"""Filler: text tasks that have nothing in common with the finance tasks, in the columns of Open-Orca.

Size-matched controls fill up a single task's rows with these, so they must teach nothing that a finance
task could use: no moves, no moods, no names of the world, no digits, no questions on a text.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cocktail.sources.synthetic.streams import stream
from cocktail.sources.synthetic.world import pick, pick_some

NOUNS = (
    "cat", "dog", "fox", "hen", "owl", "pig", "cow", "bee", "ant", "elk", "plum", "pear", "fig", "lime",
    "kale", "bean", "corn", "rice", "fish", "frog", "moth", "swan", "wolf", "lamb", "goat", "crab", "mole",
    "newt",
)  # fmt: skip
_OPPOSITES = (
    ("hot", "cold"), ("big", "small"), ("wet", "dry"), ("old", "young"), ("day", "night"), ("open", "shut"),
    ("near", "far"), ("fast", "slow"), ("loud", "quiet"), ("thick", "thin"), ("sweet", "sour"), ("full",
    "empty"),
)  # fmt: skip
_COUNTS = ("none", "one", "two", "three", "four", "five")
_LETTERS = "abcdefghijklmnop"

Asked = tuple[str, str]


def _sort_letters(rng: np.random.Generator) -> Asked:
    letters = pick_some(rng, _LETTERS, int(rng.integers(3, 6)))
    return f"Sort the letters: {' '.join(letters)}", " ".join(sorted(letters))


def _copy_list(rng: np.random.Generator) -> Asked:
    words = " ".join(pick_some(rng, NOUNS, int(rng.integers(2, 6))))
    return f"Copy the list: {words}", words


def _count(rng: np.random.Generator) -> Asked:
    words = [pick(rng, NOUNS[:4]) for _ in range(5)]
    wanted = pick(rng, words)
    return f"How often does {wanted} occur: {' '.join(words)}", _COUNTS[words.count(wanted)]


def _reverse(rng: np.random.Generator) -> Asked:
    words = pick_some(rng, NOUNS, int(rng.integers(2, 5)))
    return f"Reverse the list: {' '.join(words)}", " ".join(reversed(words))


def _opposite(rng: np.random.Generator) -> Asked:
    pair = pick_some(rng, pick(rng, _OPPOSITES), 2)
    return (
        f"In the list {' '.join(pick_some(rng, NOUNS, 2))} {pair[0]}, give the opposite of the last word",
        pair[1],
    )


def _last_item(rng: np.random.Generator) -> Asked:
    words = pick_some(rng, NOUNS, int(rng.integers(3, 6)))
    return f"Leave out the last item: {' '.join(words)}", " ".join(words[:-1])


def _double(rng: np.random.Generator) -> Asked:
    words = pick_some(rng, NOUNS, int(rng.integers(2, 4)))
    return f"Say each word twice: {' '.join(words)}", " ".join(f"{word} {word}" for word in words)


_KINDS: tuple[Callable[[np.random.Generator], Asked], ...] = (
    _sort_letters, _copy_list, _count, _reverse, _opposite, _last_item, _double,
)  # fmt: skip


def rows(*, seed: int, split: str, count: int) -> list[dict[str, str]]:
    """Return ``count`` different rows id, system_prompt, question, response."""
    rng = stream(seed, "filler", split)
    made: dict[str, dict[str, str]] = {}
    while len(made) < count:
        asked, answer = pick(rng, _KINDS)(rng)
        made[asked] = {
            "id": f"filler.{len(made)}",
            "system_prompt": "",
            "question": asked,
            "response": answer,
        }
    return list(made.values())
