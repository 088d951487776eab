"""The generated world: its lexicon, templates filled from it, companies and people, and the facts about them.

All sources draw on these lists, so a word that one task teaches (``slid`` means down, ``Tarn`` is a place)
is of use in another. All names are invented. The facts are fixed (no seed), so the pretraining text, the
knowledge questions and the filings of any seed agree: a base that has read the text can know the answers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
SECTORS = ("oil", "banking", "foods", "mining", "chips", "travel")
_STEMS = (
    "Velmora", "Tessaro", "Brinlow", "Quandex", "Orvane", "Halvik", "Zentaro", "Morwell", "Pallix",
    "Dunmere", "Kestrol", "Marvane", "Fenwyck", "Jorvex", "Nimbara", "Ostrel", "Pryndale", "Rovanta",
    "Sildane", "Tarvex", "Ulmaro", "Vintrel", "Wexmoor", "Yarrowby", "Zolvane", "Ambrix", "Caldrona",
    "Delvanto", "Eskmere", "Farlune",
)  # fmt: skip


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


@dataclass(frozen=True)
class Company:
    """One company: ``name`` as in texts, ``ticker`` without the dollar sign, and its facts."""

    name: str
    ticker: str
    sector: str
    city: str
    head: str


def _ticker(stem: str) -> str:
    """The first letter and the next two consonants, in capitals."""
    return (stem[0] + "".join(letter for letter in stem[1:] if letter not in "aeiouy")[:2]).upper()


COMPANIES = tuple(
    Company(
        name=stem,
        ticker=_ticker(stem),
        sector=SECTORS[number % len(SECTORS)],
        city=CITIES[(number * 7) % len(CITIES)],
        head=f"{FIRST_NAMES[(number * 5) % len(FIRST_NAMES)]} {LAST_NAMES[(number * 3) % len(LAST_NAMES)]}",
    )
    for number, stem in enumerate(_STEMS)
)

METAL_COLOURS = dict(zip(METALS, COLOURS, strict=True))
METAL_CITIES = {metal: CITIES[number * 3 % len(CITIES)] for number, metal in enumerate(METALS)}
RIVERS = ("Ald", "Bree", "Cawl", "Dern", "Fyle", "Gant", "Huss", "Ivel")
CITY_RIVERS = {city: RIVERS[number * 3 % len(RIVERS)] for number, city in enumerate(CITIES)}
CITY_GOODS = {city: LEXICON["thing"][number * 5 % 8] for number, city in enumerate(CITIES)}


def company(rng: np.random.Generator) -> Company:
    """Return a random company."""
    return pick(rng, COMPANIES)


def slots(firm: Company) -> dict[str, str]:
    """The template slots that name one company; its facts are kept out of the tasks' texts."""
    return {"company": firm.name, "ticker": firm.ticker}


def person(rng: np.random.Generator) -> str:
    """Return a random full name."""
    return f"{pick(rng, FIRST_NAMES)} {pick(rng, LAST_NAMES)}"
