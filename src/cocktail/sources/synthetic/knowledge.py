"""Four-way questions in the columns of MMLU (``knowledge``), a folder for each subject.

The facts stand in the pretraining text, so the base may know them; no row of another set states them. They
tell whether mixing changes what a model knows rather than how it does a task. All questions of a subject
are listed, shuffled by the seed, and dealt out to the parts dev, validation and test, so no question is in
two parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cocktail.errors import SourceError
from cocktail.sources.synthetic.streams import stream
from cocktail.sources.synthetic.world import (
    CITIES,
    CITY_GOODS,
    CITY_RIVERS,
    COLOURS,
    COMPANIES,
    LEXICON,
    METAL_CITIES,
    METAL_COLOURS,
    METALS,
    RIVERS,
    SECTORS,
    pick_some,
)

OPPOSITES = {
    "up": "down",
    "down": "up",
    "go_up": "go_down",
    "go_down": "go_up",
    "bright": "gloomy",
    "gloomy": "bright",
}
_DEV, _VALIDATION = 8, 8  # rows of these parts at most; the rest is for test


@dataclass(frozen=True)
class Fact:
    """A question, its right answers (one of them is shown), and a pool of which the wrong ones are taken."""

    question: str
    right: tuple[str, ...]
    pool: Sequence[str]


def _companies() -> list[Fact]:
    facts = []
    for firm in COMPANIES:
        facts += [
            Fact(f"Where is {firm.name} based?", (firm.city,), CITIES),
            Fact(f"What is the trade of {firm.name}?", (firm.sector,), SECTORS),
        ]
    return facts


def _people() -> list[Fact]:
    names, heads = [firm.name for firm in COMPANIES], [firm.head for firm in COMPANIES]
    facts = [Fact(f"Which firm does {firm.head} lead?", (firm.name,), names) for firm in COMPANIES]
    return facts + [Fact(f"Who leads {firm.name}?", (firm.head,), heads) for firm in COMPANIES]


def _places() -> list[Fact]:
    mined = {city: metal for metal, city in METAL_CITIES.items()}
    asked: tuple[tuple[str, dict[str, str], Sequence[str]], ...] = (
        ("Which river runs through {}?", CITY_RIVERS, RIVERS),
        ("What is {} known for?", CITY_GOODS, LEXICON["thing"]),
        ("Which colour is {}?", METAL_COLOURS, COLOURS),
        ("Which metal is mined in {}?", mined, METALS),
    )
    return [
        Fact(words.format(of), (right,), pool) for words, facts, pool in asked for of, right in facts.items()
    ]


def _market_words() -> list[Fact]:
    facts = []
    for kind, opposite in OPPOSITES.items():
        for word in LEXICON[kind]:
            synonyms = tuple(other for other in LEXICON[kind] if other != word)
            facts.append(Fact(f"Which word is closest to {word}?", synonyms, LEXICON[opposite]))
            facts.append(Fact(f"Which word is the opposite of {word}?", tuple(LEXICON[opposite]), synonyms))
    return facts


SUBJECTS: dict[str, Callable[[], list[Fact]]] = {
    "companies": _companies,
    "people": _people,
    "places": _places,
    "market_words": _market_words,
}


def rows(*, seed: int, subject: str, part: str, count: int) -> list[dict[str, object]]:
    """Return ``count`` rows question, subject, choices (four), answer (index of the right one).

    Raises:
        SourceError: the subject has not so many questions.
    """
    facts = SUBJECTS[subject]()
    order = [int(index) for index in stream(seed, "knowledge", subject).permutation(len(facts))]
    parts = {
        "dev": order[:_DEV],
        "validation": order[_DEV : _DEV + _VALIDATION],
        "test": order[_DEV + _VALIDATION :],
    }
    if count > len(parts[part]):
        raise SourceError(
            f"the subject {subject} has only {len(parts[part])} questions for {part}, not {count}",
            where=f"fetch.world.knowledge_{'test' if part == 'test' else 'dev'}",
        )
    rng = stream(seed, "knowledge", subject, part)
    made: list[dict[str, object]] = []
    for index in parts[part][:count]:
        fact = facts[index]
        right = pick_some(rng, fact.right, 1)
        wrong = pick_some(rng, [other for other in fact.pool if other not in fact.right], 3)
        choices = pick_some(rng, [*right, *wrong], 4)
        answer = choices.index(right[0])
        made.append({"question": fact.question, "subject": subject, "choices": choices, "answer": answer})
    return made
