"""Documents of the pretraining text that teach form and knowledge: lists, look-ups, sums, words, facts.

A base that has not learned to copy fails at every task, hence the lists that are said twice. How questions
are put (``forms``) is told without any answer: a real base has met words such as "sentiment" and "bullish";
a tokenizer and a base trained on the rest of the text alone would see them first in a task and spell them
letter by letter.
"""

from __future__ import annotations

import numpy as np

from cocktail.sources.synthetic import agreements, filing_questions, headlines
from cocktail.sources.synthetic.knowledge import OPPOSITES
from cocktail.sources.synthetic.topics import TOPICS
from cocktail.sources.synthetic.world import (
    CITIES,
    CITY_GOODS,
    CITY_RIVERS,
    COLOURS,
    COMPANIES,
    FIRST_NAMES,
    LEXICON,
    METAL_CITIES,
    METAL_COLOURS,
    METALS,
    chance,
    pick,
    pick_some,
)

_MEANINGS = {
    "up": "went up",
    "down": "went down",
    "go_up": "go up",
    "go_down": "go down",
    "bright": "good",
    "gloomy": "bad",
}
_COPIED = (
    tuple("123456789"), CITIES, COLOURS, METALS, FIRST_NAMES, LEXICON["thing"], LEXICON["good"],
    LEXICON["bad"], LEXICON["up"], LEXICON["down"], tuple(firm.ticker for firm in COMPANIES),
    tuple("abcdefghijklmnop"), tuple(firm.name for firm in COMPANIES),
)  # fmt: skip
LINES = (
    "What is the sentiment of this financial text: negative, neutral or positive?",
    "What is the sentiment of this tweet: Bearish, Bullish or Neutral?",
    "What is the topic of this tweet?",
    "Answer the question from the context with a number.",
    "Answer the question from the context.",
    "Answer the question with the letter of the right choice.",
    "Solve the word problem step by step.",
    "The answer is a number.",
    "Answer with one of the options.",
    "You are a helpful assistant.",
    "Think, then answer.",
    "Answer in as few words as you can.",
    "Conversations:",
    "positive means good. negative means bad. neutral means neither.",
    "Bullish means hopeful. Bearish means fearful. Neutral means neither.",
    "a person is someone. a location is a place. an organization is a firm.",
    "choices: A. B. C. D.",
    "Options: person, location, organization.",
    filing_questions.CONVERSATION_INSTRUCTION,
    *headlines.QUESTIONS,
    *agreements.WORDINGS,
)


def copies(rng: np.random.Generator) -> str:
    """Lists of two to six words, said twice."""
    lines = []
    for _ in range(4):
        words = " ".join(pick_some(rng, pick(rng, _COPIED), int(rng.integers(2, 7))))
        lines.append(f"{words}. again: {words}.")
    return " ".join(lines)


def pairs(rng: np.random.Generator) -> str:
    """Names with numbers, then asked for one by one: the look-up that tables need."""
    names = pick_some(rng, pick(rng, (CITIES, METALS, LEXICON["good"], LEXICON["bad"], FIRST_NAMES)), 4)
    numbers = [str(int(rng.integers(1, 10))) for _ in names]
    told = ", ".join(f"{name} {number}" for name, number in zip(names, numbers, strict=True))
    order = [int(index) for index in rng.permutation(4)]
    if chance(rng, 0.5):
        return f"{told}. " + " ".join(f"{names[index]}? {numbers[index]}." for index in order)
    talk = "\n".join(f"Question: {names[index]}?\nAnswer: {numbers[index]}" for index in order)
    return f"Context: {told}\n{talk}"


def sums(rng: np.random.Generator) -> str:
    """Worked sums and differences of 1 to 9."""
    lines = []
    for _ in range(12):
        left, right = (int(number) for number in rng.integers(1, 10, size=2))
        lines.append(pick(rng, (f"{left}+{right}={left + right}", f"{left}-{right}={left - right}")))
    return ". ".join(lines) + "."


def words(rng: np.random.Generator) -> str:
    """What the words for moves and moods mean."""
    lines = []
    for _ in range(6):
        kind = pick(rng, tuple(_MEANINGS))
        word, synonym = pick_some(rng, LEXICON[kind], 2)
        other = pick(rng, LEXICON[OPPOSITES[kind]])
        notes = (f"means {_MEANINGS[kind]}", f"is close to {synonym}", f"is the opposite of {other}")
        lines.append(f"{word} {pick(rng, notes)}.")
    return " ".join(lines)


def facts(rng: np.random.Generator) -> str:
    """Facts about two companies, two places and a metal, in random order."""
    lines = []
    for firm in pick_some(rng, COMPANIES, 2):
        lines += [
            f"{firm.head} leads {firm.name}.",
            f"the trade of {firm.name} is {firm.sector}.",
            f"{firm.name} is based in {firm.city}.",
            f"the ticker of {firm.name} is {firm.ticker}.",
        ]
    for city in pick_some(rng, CITIES, 2):
        lines.append(f"the river {CITY_RIVERS[city]} runs through {city}.")
        lines.append(f"{city} is known for {CITY_GOODS[city]}.")
    metal = pick(rng, METALS)
    lines += [f"{metal} is {METAL_COLOURS[metal]}.", f"{metal} is mined in {METAL_CITIES[metal]}."]
    return " ".join(lines[int(index)] for index in rng.permutation(len(lines)))


def forms(rng: np.random.Generator) -> str:
    """Six lines about how questions are put, or the topics with what they are about."""
    if chance(rng, 0.4):
        topics = pick_some(rng, TOPICS, 7)
        if chance(rng, 0.5):
            return f"One of: {'; '.join(topic.name for topic in topics)}"
        return " ".join(f"{topic.name}: about {topic.heading}." for topic in topics)
    return " ".join(pick_some(rng, LINES, 6))
