"""Sentences from company news with a mood: negative, neutral or positive (the set ``fpb``).

The mood follows from what moved and where to: profit up is good, costs up are bad. Shares the moves with
headlines and tweets, and the comparison of two small numbers with the filings and the word problems.
"""

from __future__ import annotations

import numpy as np

from cocktail.sources.synthetic.streams import draw_distinct, stream
from cocktail.sources.synthetic.world import chance, company, fill, person, pick, slots

NEGATIVE, NEUTRAL, POSITIVE = 0, 1, 2
_POSITIVE = (
    "{company} {good} {up} to {high} from {low} .",
    "{company} said its {good} {up} {soon_ago} .",
    "{good} of {company} came to {high} against {low} a year ago .",
    "{company} {bad} {down} to {low} from {high} .",
    "{person} said {market} in {city} was {bright} .",
    "{company} sees {bright} {good} {soon} .",
    "{good} of the {city} {unit} {up} on {bright} {market} .",
)
_NEGATIVE = (
    "{company} {good} {down} to {low} from {high} .",
    "{company} said its {good} {down} {soon_ago} .",
    "{good} of {company} came to {low} against {high} a year ago .",
    "{company} {bad} {up} to {high} from {low} .",
    "{person} said {market} in {city} was {gloomy} .",
    "{company} sees {gloomy} {good} {soon} .",
    "{company} will close its {unit} in {city} .",
)
_NEUTRAL = (
    "{company} will open its books in {city} on {day} .",
    "{person} leads the {city} {unit} of {company} .",
    "{company} has {n} people at its {unit} in {city} .",
    "{company} {good} {flat} at {n} .",
    "{company} and {bank} share a {unit} in {city} .",
    "{company} will report its {good} on {day} .",
    "The {unit} in {city} is owned by {company} and {bank} .",
)
_MIXED = (
    "{company} {good} {up} but its {bad} {up} too .",
    "{good} of {company} {down} and so did its {bad} .",
)
_SHARES = (0.24, 0.40, 0.32, 0.04)  # negative, neutral, positive, mixed
_FLIPPED = 0.04  # readers disagree: this share of the labels moves to a neighbour


def sentence(rng: np.random.Generator) -> tuple[str, int]:
    """Return a sentence and its mood as most readers see it; mixed ones are settled by a coin."""
    kind = int(rng.choice(4, p=_SHARES))
    template = pick(rng, (_NEGATIVE, _NEUTRAL, _POSITIVE, _MIXED)[kind])
    low, high = sorted(int(number) for number in rng.choice(np.arange(1, 10), size=2, replace=False))
    text = fill(
        rng,
        template,
        low=str(low),
        high=str(high),
        person=person(rng),
        soon_ago=pick(rng, ("last year", "last month", "in spring")),
        **slots(company(rng)),
    )
    return text, kind if kind < 3 else pick(rng, (NEGATIVE, POSITIVE))


def rows(*, seed: int, split: str, count: int) -> list[dict[str, object]]:
    """Return ``count`` rows sentence, label; train has a few exact repeats and contradictions."""
    rng = stream(seed, "fpb", split)
    made: list[dict[str, object]] = []
    for text, label in draw_distinct(lambda: sentence(rng), test=split == "test"):
        if chance(rng, _FLIPPED):
            label = NEUTRAL if label != NEUTRAL else pick(rng, (NEGATIVE, POSITIVE))
        made.append({"sentence": text, "label": label})
        if split == "train" and chance(rng, 0.02):
            made.append({"sentence": text, "label": label if chance(rng, 0.7) else (label + 1) % 3})
        if len(made) >= count:
            break
    return made[:count]
