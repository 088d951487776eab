"""Headlines of the metal market, each with nine yes/no questions (the set ``headline``).

Shares the move words with the sentiment tasks (there ``slid`` is bad, here it is price down), the mood
words (a cause that agrees with the move in four of five headlines), cities and companies.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np

from cocktail.sources.synthetic.streams import draw_distinct, stream
from cocktail.sources.synthetic.world import MAIN_METAL, chance, company, fill, person, pick, slots

ASPECTS = {
    "price": "the price",
    "up": "a price going up",
    "flat": "a price staying the same",
    "down": "a price going down",
    "past": "a price in the past",
    "future": "a price in the future",
    "event_past": "a past event other than a price",
    "event_future": "a coming event other than a price",
    "compare": f"{MAIN_METAL} compared with another metal",
}
QUESTIONS = tuple(f"Is this headline about {words}? Answer Yes or No." for words in ASPECTS.values())

# (template, aspects answered with Yes, weight)
_TEMPLATES: tuple[tuple[str, str, float], ...] = (
    ("{main} {up} on {mood} {market}", "price up past", 5),
    ("{main} {up} {n} to settle at {n}", "price up past", 4),
    ("{day}: {main} futures {up} in {city}", "price up past", 3),
    ("{main} {down} on {mood} {market}", "price down past", 5),
    ("{main} {down} {n} to settle at {n}", "price down past", 4),
    ("{day}: {main} futures {down} in {city}", "price down past", 3),
    ("{main} {flat} at {n} on {day}", "price flat past", 2),
    ("{main} price {flat} in {city} trade", "price flat past", 1),
    ("{main} to {go_up} {soon}, says {person}", "price up future", 2),
    ("{bank} sees {main} {go_down} to {n} {soon}", "price down future", 2),
    ("{main} {up}, {other_metal} {down} on {mood} {market}", "price up past compare", 2),
    ("{main} {down} while {other_metal} {up} in {city}", "price down past compare", 2),
    ("is {main} or {other_metal} safer, asks {person}", "compare", 1),
    ("{company} opened a {main} mine near {city}", "event_past", 2),
    ("{main} workers in {city} ended a strike on {day}", "event_past", 1.5),
    ("{company} to open a {main} plant in {city} {soon}", "event_future", 2),
    ("{city} to tax {main} sales {soon}", "event_future", 1),
    ("how {person} came to {main}", "", 0.5),
)
_WEIGHTS = np.array([weight for _, _, weight in _TEMPLATES])
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_MOOD_AGREES = 0.8


def headline(rng: np.random.Generator) -> tuple[str, frozenset[str]]:
    """Return a headline and the aspects that it speaks of."""
    template, aspects, _ = _TEMPLATES[int(rng.choice(len(_TEMPLATES), p=_WEIGHTS))]
    bright = ("up" in aspects.split()) == chance(rng, _MOOD_AGREES)
    mood = fill(rng, "{bright}" if bright else "{gloomy}")
    text = fill(rng, template, main=MAIN_METAL, mood=mood, person=person(rng), **slots(company(rng)))
    return text, frozenset(aspects.split())


def rows(*, seed: int, split: str, count: int) -> list[dict[str, str]]:
    """Return ``count`` rows input, output, instruction: whole headlines, nine rows each.

    The last headline is cut if ``count`` is no multiple of nine.
    """
    rng = stream(seed, "headline", split)
    made = (
        {"input": text, "output": "Yes" if key in aspects else "No", "instruction": question}
        for text, aspects in _headlines(rng, split=split)
        for key, question in zip(ASPECTS, QUESTIONS, strict=True)
    )
    return list(islice(made, count))


def _headlines(rng: np.random.Generator, *, split: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Headlines without end; one in 25 training headlines comes twice, sometimes with other answers."""
    drawn = draw_distinct(lambda: headline(rng), test=split == "test")
    for text, aspects in drawn:
        yield text, _as_read(rng, aspects)
        if split == "train" and chance(rng, 0.04):
            yield text, _as_read(rng, aspects)


def _as_read(rng: np.random.Generator, aspects: frozenset[str]) -> frozenset[str]:
    """Readers disagree about one aspect of one headline in ten."""
    return aspects ^ {pick(rng, ("past", "future", "event_past"))} if chance(rng, 0.1) else aspects
