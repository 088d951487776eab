"""The instruction phase of a from-scratch base: short tasks outside the study.

The paper tunes *instruct* models, so our base first learns that a prompt is to be answered, often with one
of listed options, on tasks that are neither trained nor evaluated later.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cocktail.sources.synthetic.filler import NOUNS
from cocktail.sources.synthetic.streams import stream
from cocktail.sources.synthetic.world import (
    CITIES,
    COLOURS,
    METALS,
    chance,
    company,
    fill,
    person,
    pick,
    pick_some,
    slots,
)

_PROVERBS = (
    "still water runs deep", "a new broom sweeps clean", "the early bird gets the worm", "no rain no rainbow",
    "slow feet reach the hill", "one hand washes the other", "the last guest shuts the door",
)  # fmt: skip
_POOLS = (NOUNS, CITIES, COLOURS, METALS)
_POOL_NAMES = ("animal or plant", "place", "colour", "metal")

Row = tuple[str, str, str]


def _copy(rng: np.random.Generator) -> Row:
    words = " ".join(pick_some(rng, pick(rng, _POOLS), int(rng.integers(2, 6))))
    return "Repeat the input.", words, words


def _ticker(rng: np.random.Generator) -> Row:
    firm = company(rng)
    text = fill(rng, "${ticker} - {company} in {city} today", **slots(firm))
    return "Repeat the ticker of the line.", text, firm.ticker


def _listed_word(rng: np.random.Generator) -> Row:
    odd, common = pick_some(rng, _POOLS, 2)
    words = [pick(rng, odd), *pick_some(rng, common, 2)]
    options = ", ".join(pick_some(rng, words, 3))
    return (
        f"Pick the listed word that is in the input.\nOptions: {options}",
        f"{pick(rng, NOUNS)} {words[0]} {person(rng)}",
        words[0],
    )


def _larger(rng: np.random.Generator) -> Row:
    left, right = pick_some(rng, "123456789", 2)
    return "Which of the two numbers is larger?", f"{left} and {right}", max(left, right)


def _name_metal(rng: np.random.Generator) -> Row:
    metal = pick(rng, METALS)
    text = fill(rng, "{person} took {n} bars of {m} to {city}", person=person(rng), m=metal)
    return "Name the metal in the line.", text, metal


def _proverb(rng: np.random.Generator) -> Row:
    words = pick(rng, _PROVERBS).split()
    gap = int(rng.integers(1, len(words)))
    return "Fill the blank of the saying.", " ".join([*words[:gap], "_", *words[gap + 1 :]]), words[gap]


def _member(rng: np.random.Generator) -> Row:
    words = pick_some(rng, NOUNS, 4)
    inside = chance(rng, 0.5)
    asked = pick(rng, words[:3]) if inside else words[3]
    return f"Is {asked} in the list? Answer Yes or No.", " ".join(words[:3]), "Yes" if inside else "No"


def _choose(rng: np.random.Generator) -> Row:
    index = int(rng.integers(4))
    options = ", ".join(pick_some(rng, _POOL_NAMES, 4))
    return f"Choose what the word is out of: {options}.", pick(rng, _POOLS[index]), _POOL_NAMES[index]


def _after(rng: np.random.Generator) -> Row:
    words = pick_some(rng, NOUNS, 5)
    index = int(rng.integers(4))
    return f"Which word comes after {words[index]}?", " ".join(words), words[index + 1]


def _letter(rng: np.random.Generator) -> Row:
    index = int(rng.integers(4))
    words = [pick(rng, pool) for pool in _POOLS]
    word = words[index]
    words = pick_some(rng, words, 4)
    lines = [f"{letter}. {choice}" for letter, choice in zip("ABCD", words, strict=True)]
    return f"Give the letter of the {_POOL_NAMES[index]}.", "\n".join(lines), "ABCD"[words.index(word)]


_KINDS: tuple[Callable[[np.random.Generator], Row], ...] = (
    _copy, _ticker, _listed_word, _larger, _name_metal, _proverb, _member, _choose, _after, _letter,
)  # fmt: skip


def instruction_rows(*, seed: int, count: int) -> list[dict[str, str]]:
    """Return ``count`` rows instruction, input, answer."""
    rng = stream(seed, "instruction phase")
    drawn = (pick(rng, _KINDS)(rng) for _ in range(count))
    return [
        {"instruction": instruction, "input": text, "answer": answer} for instruction, text, answer in drawn
    ]
