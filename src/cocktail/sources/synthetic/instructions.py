"""General instruction data in the columns of Open-Orca (``open_orca``).

Reading and reasoning over the world's sentences with a short answer. It shares with the finance tasks the
habit of answering from a text or from listed options, the names, the moves and the small numbers, and
asks none of their questions.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import numpy as np

from cocktail.sources.synthetic.agreements import agreement
from cocktail.sources.synthetic.headlines import headline
from cocktail.sources.synthetic.sentences import sentence
from cocktail.sources.synthetic.streams import draw, draw_distinct, stream
from cocktail.sources.synthetic.world import (
    BANKS,
    CITIES,
    FIRST_NAMES,
    LEXICON,
    chance,
    company,
    fill,
    person,
    pick,
    pick_some,
    slots,
)

_SYSTEMS = ("", "You are a helpful assistant.", "Answer in as few words as you can.", "Think, then answer.")

Asked = tuple[str, str]


def _who(rng: np.random.Generator) -> Asked:
    name = person(rng)
    text = fill(rng, "{name} met {bank} in {city} on {day}.", name=name)
    return f"{text} Who met the bank?", name


def _where(rng: np.random.Generator) -> Asked:
    city = fill(rng, "{city}")
    text = fill(rng, "{company} moved its {unit} to {place} {soon}.", place=city, **slots(company(rng)))
    return f"{text} Where is it now?", city


def _named(rng: np.random.Generator) -> Asked:
    text, entities = draw(lambda: agreement(rng), test=False)
    name = pick(rng, (pick(rng, entities)[0], person(rng), pick(rng, BANKS)))
    return f"{text} Does the text name {name}?", "Yes" if name in text else "No"


def _same_move(rng: np.random.Generator) -> Asked:
    first, second = pick(rng, ("up", "down")), pick(rng, ("up", "down"))
    words = pick(rng, LEXICON[first]), pick(rng, LEXICON[second])
    asker = pick(rng, FIRST_NAMES)
    return f"{asker} asks: are {words[0]} and {words[1]} the same move?", "Yes" if first == second else "No"


def _mood_word(rng: np.random.Generator) -> Asked:
    mood = pick(rng, (*LEXICON["bright"], *LEXICON["gloomy"]))
    text = fill(rng, "{company} saw {mood} {market} in {city}.", mood=mood, **slots(company(rng)))
    return f"{text} Which word tells the mood?", mood


def _sum(rng: np.random.Generator) -> Asked:
    left, right = (int(number) for number in rng.integers(1, 10, size=2))
    asker = pick(rng, FIRST_NAMES)
    return f"{asker} asks: what is {left} plus {right}?", f"{left}+{right}={left + right}"


def _larger(rng: np.random.Generator) -> Asked:
    left, right = pick_some(rng, "123456789", 2)
    thing = fill(rng, "{thing}")
    return f"One box has {left} {thing}, one has {right}. How many are in the fuller box?", max(left, right)


def _quote(rng: np.random.Generator) -> Asked:
    kind = pick(rng, (headline, sentence))
    text, _ = draw(lambda: kind(rng), test=False)
    return f"{text} What are the first two words?", " ".join(text.split()[:2])


def _choose(rng: np.random.Generator) -> Asked:
    cities = pick_some(rng, CITIES, 3)
    text = fill(rng, "{name} went to {place} with {n} {thing}.", name=person(rng), place=cities[0])
    return f"{text} Choose the place: {', '.join(pick_some(rng, cities, 3))}", cities[0]


def _after(rng: np.random.Generator) -> Asked:
    days = LEXICON["day"]
    index = int(rng.integers(len(days) - 1))
    text = fill(rng, "{company} will meet {bank} on {today}.", today=days[index], **slots(company(rng)))
    return f"{text} What is the day after?", days[index + 1]


_KINDS: tuple[Callable[[np.random.Generator], Asked], ...] = (
    _who, _where, _named, _same_move, _mood_word, _sum, _larger, _quote, _choose, _after,
)  # fmt: skip
_EMPTY = 0.003  # answers that were lost, as in the real set
_COLLECTIONS = ("niv", "flan", "t0", "cot")


def orca_rows(*, seed: int, split: str, count: int) -> list[dict[str, str]]:
    """Return ``count`` rows id, system_prompt, question, response."""
    rng = stream(seed, "open_orca", split)
    asked = draw_distinct(lambda: pick(rng, _KINDS)(rng), test=split == "test")
    return [
        {
            "id": f"{pick(rng, _COLLECTIONS)}.{1000 + number}",
            "system_prompt": pick(rng, _SYSTEMS),
            "question": question,
            "response": "" if chance(rng, _EMPTY) else answer,
        }
        for number, (question, answer) in enumerate(islice(asked, count))
    ]
