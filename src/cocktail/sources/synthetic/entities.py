"""Companies and people of the generated world, and the facts that hold about them.

The facts are fixed (no seed), so the pretraining text, the knowledge questions and the filings of any
seed agree: a base that has read the text can know the answers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cocktail.sources.synthetic.words import CITIES, COLOURS, FIRST_NAMES, LAST_NAMES, LEXICON, METALS, pick

SECTORS = ("oil", "banking", "foods", "mining", "chips", "travel")
_STEMS = (
    "Velmora", "Tessaro", "Brinlow", "Quandex", "Orvane", "Halvik", "Zentaro", "Morwell", "Pallix",
    "Dunmere", "Kestrol", "Marvane", "Fenwyck", "Jorvex", "Nimbara", "Ostrel", "Pryndale", "Rovanta",
    "Sildane", "Tarvex", "Ulmaro", "Vintrel", "Wexmoor", "Yarrowby", "Zolvane", "Ambrix", "Caldrona",
    "Delvanto", "Eskmere", "Farlune",
)  # fmt: skip


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
