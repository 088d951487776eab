"""Four-way questions in the columns of MMLU (``knowledge``), a folder for each subject.

The facts stand in the pretraining text, so the base may know them; no finance task teaches them. They
tell whether mixing changes knowledge rather than the task.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from cocktail.sources.embedded.entities import COMPANIES, METAL_CITIES, METAL_COLOURS, SECTORS
from cocktail.sources.embedded.streams import stream
from cocktail.sources.embedded.words import CITIES, LEXICON, pick, pick_some

_Fact = tuple[str, str, Sequence[str]]  # question, right answer, pool of answers


def _company_fact(rng: np.random.Generator) -> _Fact:
    firm = pick(rng, COMPANIES)
    return pick(
        rng,
        (
            (f"Who leads {firm.name} ?", firm.head, [other.head for other in COMPANIES]),
            (f"Where is {firm.name} based ?", firm.city, CITIES),
            (f"What is the trade of {firm.name} ?", firm.sector, SECTORS),
            (f"What is the ticker of {firm.name} ?", firm.ticker, [other.ticker for other in COMPANIES]),
        ),
    )


def _metal_fact(rng: np.random.Generator) -> _Fact:
    metal = pick(rng, tuple(METAL_COLOURS))
    if rng.random() < 0.5:
        return f"Which colour is {metal} ?", METAL_COLOURS[metal], tuple(METAL_COLOURS.values())
    return f"Where is {metal} mined ?", METAL_CITIES[metal], CITIES


def _word_fact(rng: np.random.Generator) -> _Fact:
    kind, other = pick_some(rng, ("up", "down", "bright", "gloomy"), 2)
    word, like = pick_some(rng, LEXICON[kind], 2)
    return f"Which word is closest to {word} ?", like, (like, *pick_some(rng, LEXICON[other], 3))


def _bookkeeping_fact(rng: np.random.Generator) -> _Fact:
    return pick(rng, _BOOKKEEPING)


_TERMS = (
    "sales less costs",
    "money owed",
    "a share of profit",
    "a claim on a loan",
    "goods in store",
    "money in hand",
)
_BOOKKEEPING: tuple[_Fact, ...] = tuple(
    (f"What is {name} ?", meaning, _TERMS)
    for name, meaning in zip(("profit", "debt", "a dividend", "a bond", "stock", "cash"), _TERMS, strict=True)
)
BOOKKEEPING_TEXT = tuple(
    f"{question.removeprefix('What is ').removesuffix(' ?')} is {meaning} ."
    for question, meaning, _ in _BOOKKEEPING
)

SUBJECTS: dict[str, Callable[[np.random.Generator], _Fact]] = {
    "companies": _company_fact,
    "metals": _metal_fact,
    "market_words": _word_fact,
    "bookkeeping": _bookkeeping_fact,
}


def rows(*, seed: int, subject: str, part: str, count: int) -> list[dict[str, object]]:
    """Return ``count`` rows question, subject, choices (four), answer (index of the right one)."""
    rng = stream(seed, "knowledge", subject, part)
    made: list[dict[str, object]] = []
    for _ in range(count):
        asked, right, pool = SUBJECTS[subject](rng)
        wrong = pick_some(rng, sorted(set(pool) - {right}), 3)
        choices = pick_some(rng, [right, *wrong], 4)
        made.append(
            {"question": asked, "subject": subject, "choices": choices, "answer": choices.index(right)}
        )
    return made
