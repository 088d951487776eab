"""Sentences from agreements, asking for the type of one entity (the set ``fin_ner_cls``).

Shares people, places, banks and companies with the other sets. Not solved by a list of names: surnames
and places are part of firm names (``Tavish Ltd``, ``Bank of Tarn``), roles count as persons, and a part
of the names is built anew.
"""

from __future__ import annotations

import numpy as np

from cocktail.sources.synthetic.streams import draw_distinct, stream
from cocktail.sources.synthetic.world import (
    BANKS,
    CITIES,
    LAST_NAMES,
    chance,
    company,
    fill,
    person,
    pick,
    pick_some,
)

TYPES = ("person", "location", "organization")
WORDINGS = (
    "Which type of entity is '{name}' in this sentence?",
    "Read the sentence and give the entity type of '{name}'.",
    "In the text below, what kind of entity is '{name}'?",
)
_TEMPLATES = (
    "This loan agreement is made between {org} and {per} of {loc} .",
    "{org} , with its office in {loc} , lends {n} to {role} .",
    "{role} shall pay {org} at {loc} on {day} .",
    "{per} signed for {org} in {loc} .",
    "The deed of {per} is held by {org} .",
    "{org} leases the {unit} near {loc} from {per} .",
    "Notice to {role} goes to {per} , {loc} .",
)
_SYLLABLES = (
    "bar", "del", "gor", "hin", "jas", "kel", "lom", "mir", "nol", "pra", "ros", "sel", "tun", "ved",
)  # fmt: skip
_FLIPPED = 0.04  # annotators' slips


def agreement(rng: np.random.Generator) -> tuple[str, list[tuple[str, str]]]:
    """Return a sentence and its (name, type) pairs in the order of the template."""
    template = pick(rng, _TEMPLATES)
    names = {
        "org": (_organisation(rng), "organization"),
        "per": (_person(rng), "person"),
        "loc": (_location(rng), "location"),
        "role": (pick(rng, ("Borrower", "Lender", "Tenant")), "person"),
    }
    used = {slot: entity for slot, entity in names.items() if f"{{{slot}}}" in template}
    text = fill(rng, template, **{slot: name for slot, (name, _) in used.items()})
    return text, list(used.values())


def rows(*, seed: int, split: str, count: int) -> list[dict[str, str]]:
    """Return ``count`` rows input, output, instruction: each entity in three wordings."""
    rng = stream(seed, "fin_ner_cls", split)
    made: list[dict[str, str]] = []
    for text, entities in draw_distinct(lambda: agreement(rng), test=split == "test"):
        for name, kind in pick_some(rng, entities, 2):
            label = pick(rng, TYPES) if chance(rng, _FLIPPED) else kind
            for wording in WORDINGS:
                options = ", ".join(pick_some(rng, TYPES, 3))
                asked = f"{wording.format(name=name)}\nOptions: {options}"
                made.append({"input": text, "output": label, "instruction": asked})
        if len(made) >= count:
            break
    return made[:count]


def _new_name(rng: np.random.Generator) -> str:
    return "".join(pick_some(rng, _SYLLABLES, 2)).capitalize()


def _organisation(rng: np.random.Generator) -> str:
    if chance(rng, 0.3):
        return f"{pick(rng, LAST_NAMES)} {pick(rng, ('Ltd', 'Group', 'Trust'))}"
    if chance(rng, 0.3):
        return f"Bank of {pick(rng, CITIES)}"
    return pick(rng, (company(rng).name, pick(rng, BANKS), f"{_new_name(rng)} {pick(rng, ('Ltd', 'Group'))}"))


def _person(rng: np.random.Generator) -> str:
    return f"{person(rng).split()[0]} {_new_name(rng)}" if chance(rng, 0.3) else person(rng)


def _location(rng: np.random.Generator) -> str:
    return _new_name(rng) if chance(rng, 0.2) else pick(rng, CITIES)
