"""The lexicon of the generated world: moves, moods, things, names; and templates filled from it.

All sources draw on these lists, so a word that one task teaches (``slid`` means down, ``Tarn`` is a
place) is of use in another. All names are invented.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

BANKS = ("Oldmere Bank", "Harl Bank", "Brindle Bank", "Stannow Bank", "Crale Bank", "Pelling Bank")
FIRST_NAMES = ("Ana", "Boro", "Cilla", "Dov", "Elin", "Fenn", "Gita", "Hobb", "Ilse", "Jory", "Kira", "Lev")
LAST_NAMES = (
    "Marlo", "Pennick", "Sorel", "Tavish", "Undry", "Voskin", "Wexley", "Yarrow",
    "Brask", "Calder", "Dunmow", "Ekfors", "Galt", "Hessel", "Inkel", "Jarrod",
)  # fmt: skip
CITIES = (
    "Tarn", "Elby", "Norvale", "Oskerry", "Pellow", "Quenby", "Rissol", "Sundmar",
    "Torvik", "Umber", "Vellin", "Wrayford", "Yelm", "Zandhof", "Arkley", "Brenmouth",
)  # fmt: skip
METALS = ("solium", "velite", "cobrin", "tarnite", "zinnar", "orelite")
MAIN_METAL = METALS[0]
"""The metal of the headlines; the others occur there only in comparisons."""

COLOURS = ("red", "blue", "grey", "white", "black", "green")

LEXICON: Mapping[str, Sequence[str]] = {
    # Moves: one meaning per list, in the past and in the plain form.
    "up": ("rose", "climbed", "gained", "jumped", "surged", "advanced"),
    "down": ("fell", "slipped", "dropped", "slid", "sank", "declined"),
    "flat": ("held steady", "stayed flat", "barely moved", "stood still"),
    "go_up": ("rise", "climb", "gain", "jump", "surge", "advance"),
    "go_down": ("fall", "slip", "drop", "slide", "sink", "decline"),
    # Moods.
    "bright": ("strong", "upbeat", "firm", "bright", "robust", "healthy"),
    "gloomy": ("weak", "gloomy", "soft", "dull", "poor", "fragile"),
    # What a company reports: more of it is good, or bad.
    "good": ("profit", "sales", "orders", "output", "margin"),
    "bad": ("costs", "losses", "debt", "claims", "waste"),
    # Scenery.
    "metal": METALS,
    "other_metal": METALS[1:],
    "city": CITIES,
    "bank": BANKS,
    "first": FIRST_NAMES,
    "last": LAST_NAMES,
    "n": tuple("23456789"),
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday"),
    "soon": ("next week", "this month", "next year", "in spring", "by autumn"),
    "thing": ("apples", "coins", "books", "pens", "cups", "stamps", "eggs", "shells"),
    "unit": ("branch", "plant", "mine", "store", "lab"),
    "market": ("demand", "trade", "dollar", "outlook", "mood"),
}

_SLOT = re.compile(r"\{(\w+)\}")

T = TypeVar("T")


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """Return one of ``options``, each equally likely."""
    return options[int(rng.integers(len(options)))]


def pick_some(rng: np.random.Generator, options: Sequence[T], count: int) -> list[T]:
    """Return ``count`` different ``options`` in random order."""
    return [options[int(i)] for i in rng.permutation(len(options))[:count]]


def chance(rng: np.random.Generator, share: float) -> bool:
    """Return True with probability ``share``."""
    return bool(rng.random() < share)


def fill(rng: np.random.Generator, template: str, **fixed: str) -> str:
    """Fill each ``{slot}`` with its value in ``fixed``, else with a random word of that list.

    A slot that occurs twice is drawn twice, unless it is fixed.
    """

    def value(match: re.Match[str]) -> str:
        slot = match.group(1)
        return fixed[slot] if slot in fixed else pick(rng, LEXICON[slot])

    return _SLOT.sub(value, template)
