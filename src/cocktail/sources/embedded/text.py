"""Raw text of the generated world, to pretrain a from-scratch base on.

It holds what the tasks lean on, not the tasks: lists said twice (a base that has not learned to copy
fails at everything; they are a fifth of the documents), worked sums, words explained by words, facts,
news with a remark that agrees with its mood, messages under a heading, pages with their numbers read out,
agreements with their names explained, short stories with sums. No text of a test part
occurs: see ``streams``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np

from cocktail.sources.embedded.agreements import agreement
from cocktail.sources.embedded.arithmetic import problem, step_text
from cocktail.sources.embedded.entities import COMPANIES, METAL_CITIES, METAL_COLOURS
from cocktail.sources.embedded.filings import LAST, THIS, one_sided
from cocktail.sources.embedded.headlines import headline
from cocktail.sources.embedded.knowledge import BOOKKEEPING_TEXT
from cocktail.sources.embedded.sentences import NEGATIVE, POSITIVE, sentence
from cocktail.sources.embedded.streams import draw, stream
from cocktail.sources.embedded.topics import TOPICS
from cocktail.sources.embedded.tweets import BEARISH, BULLISH, sentiment_message, topic_message
from cocktail.sources.embedded.words import CITIES, COLOURS, FIRST_NAMES, LEXICON, METALS, pick, pick_some

_PIECE = re.compile(r"\d|\w+|[^\w\s]")
_REMARKS = {
    "good": ("good news .", "a good day .", "owners are glad ."),
    "bad": ("bad news .", "a bad day .", "owners are sad ."),
    "plain": ("nothing new .", "a quiet day ."),
}
_COPIED = (
    tuple("123456789"), CITIES, COLOURS, METALS, FIRST_NAMES, LEXICON["thing"], LEXICON["good"],
    LEXICON["bad"], LEXICON["up"], LEXICON["down"], tuple(firm.ticker for firm in COMPANIES),
    tuple("abcdefghijklmnop"), tuple(firm.name for firm in COMPANIES),
)  # fmt: skip


def _copies(rng: np.random.Generator) -> str:
    lines = []
    for _ in range(4):
        words = " ".join(pick_some(rng, pick(rng, _COPIED), int(rng.integers(2, 7))))
        lines.append(f"{words} . again : {words} .")
    return "\n".join(lines)


def _pairs(rng: np.random.Generator) -> str:
    """Names with numbers, then asked for one by one: the look-up that tables need."""
    names = pick_some(rng, pick(rng, (CITIES, METALS, LEXICON["good"], LEXICON["bad"], FIRST_NAMES)), 4)
    numbers = [str(int(rng.integers(1, 10))) for _ in names]
    told = " , ".join(f"{name} {number}" for name, number in zip(names, numbers, strict=True))
    asked = " ".join(f"{names[i]} ? {numbers[i]} ." for i in map(int, rng.permutation(4)))
    return f"{told} . {asked}"


def _sums(rng: np.random.Generator) -> str:
    lines = []
    for _ in range(12):
        left, right = (int(number) for number in rng.integers(1, 10, size=2))
        lines.append(pick(rng, (f"{left} + {right} = {left + right}", f"{left} - {right} = {left - right}")))
    return " . ".join(lines) + " ."


def _words(rng: np.random.Generator) -> str:
    meanings = {
        "up": "went up",
        "down": "went down",
        "go_up": "go up",
        "go_down": "go down",
        "bright": "good",
        "gloomy": "bad",
    }
    lines = []
    for _ in range(6):
        kind = pick(rng, tuple(meanings))
        word, like = pick_some(rng, LEXICON[kind], 2)
        lines.append(pick(rng, (f"{word} means {meanings[kind]} .", f"{word} is close to {like} .")))
    return " ".join(lines)


def _facts(rng: np.random.Generator) -> str:
    lines = []
    for firm in pick_some(rng, COMPANIES, 2):
        lines += [
            f"{firm.head} leads {firm.name} .",
            f"{firm.name} is a {firm.sector} firm .",
            f"{firm.name} is based in {firm.city} .",
            f"the ticker of {firm.name} is {firm.ticker} .",
        ]
    metal = pick(rng, METALS)
    lines += [f"{metal} is {METAL_COLOURS[metal]} .", f"{metal} is mined in {METAL_CITIES[metal]} ."]
    lines.append(pick(rng, BOOKKEEPING_TEXT))
    return " ".join(lines[int(i)] for i in rng.permutation(len(lines)))


def _metal_news(rng: np.random.Generator) -> str:
    lines = []
    for _ in range(4):
        text, aspects = draw(lambda: headline(rng), text=lambda made: made[0], test=False)
        known = [word for word in ("up", "down", "flat") if word in aspects]
        remark = (
            f"the price {'went ' + known[0] if known[0] != 'flat' else 'stayed'} ."
            if known and "past" in aspects
            else ""
        )
        lines.append(f"{text} . {remark}".strip())
    return "\n".join(lines)


def _company_news(rng: np.random.Generator) -> str:
    lines = []
    for _ in range(4):
        text, mood = draw(lambda: sentence(rng), text=lambda made: made[0], test=False)
        lines.append(f"{text} {_remark(rng, good=mood == POSITIVE, bad=mood == NEGATIVE)}")
    return "\n".join(lines)


def _messages(rng: np.random.Generator) -> str:
    lines = []
    for _ in range(3):
        text, label = draw(lambda: topic_message(rng), text=lambda made: made[0], test=False)
        lines.append(f"{TOPICS[label].heading} : {text} .")
        text, mood = draw(lambda: sentiment_message(rng), text=lambda made: made[0], test=False)
        lines.append(f"{text} . {_remark(rng, good=mood == BULLISH, bad=mood == BEARISH)}")
    return "\n".join(lines)


def _filing(rng: np.random.Generator) -> str:
    shown = one_sided(rng, test=False)
    told = []
    for index in map(int, rng.permutation(len(shown.items))):
        item, now = shown.items[index], shown.this[index]
        told.append(f"{item} {THIS} : {now} .")
        if shown.last is not None:
            before = shown.last[index]
            told.append(f"{item} {LAST} : {before} . the change : {now} - {before} = {now - before} .")
    first, second = pick_some(rng, range(len(shown.items)), 2)
    left, right = shown.this[first], shown.this[second]
    told.append(f"{shown.items[first]} less {shown.items[second]} : {left} - {right} = {left - right} .")
    told.append(f"{shown.items[first]} and {shown.items[second]} : {left} + {right} = {left + right} .")
    return f"{shown.text}\n" + " ".join(told)


def _deeds(rng: np.random.Generator) -> str:
    lines = []
    for _ in range(3):
        text, entities = draw(lambda: agreement(rng), text=lambda made: made[0], test=False)
        name, kind = pick(rng, entities)
        gloss = {"person": "someone", "location": "a place", "organization": "a firm"}[kind]
        lines.append(f"{text} {name} is {gloss} .")
    return "\n".join(lines)


def _story(rng: np.random.Generator) -> str:
    lines = []
    for _ in range(2):
        told = draw(
            lambda: problem(rng, steps=int(rng.integers(1, 3))), text=lambda made: made.question, test=False
        )
        steps = " , ".join(step_text(step) for step in told.steps)
        lines.append(f"{told.question} {steps} . so {told.steps[-1][3]} {told.thing} .")
    return "\n".join(lines)


def _remark(rng: np.random.Generator, *, good: bool, bad: bool) -> str:
    return pick(rng, _REMARKS["good" if good else "bad" if bad else "plain"])


_KINDS: tuple[tuple[Callable[[np.random.Generator], str], float], ...] = (
    (_copies, 0.20), (_pairs, 0.10), (_sums, 0.10), (_words, 0.05), (_facts, 0.07), (_metal_news, 0.09),
    (_company_news, 0.09), (_messages, 0.09), (_filing, 0.11), (_deeds, 0.05), (_story, 0.05),
)  # fmt: skip


def pretraining_text(*, seed: int, num_tokens_hint: int) -> Iterator[str]:
    """Yield documents until they hold at least ``num_tokens_hint`` tokens.

    Counted are words, digits and marks, each at least one token of any tokenizer that splits digits; a BPE
    of this text needs somewhat more.
    """
    rng = stream(seed, "pretraining text")
    shares = np.array([share for _, share in _KINDS])
    cumulated = np.cumsum(shares / shares.sum())
    counted = 0
    while counted < num_tokens_hint:
        kind = int(np.searchsorted(cumulated, rng.random(), side="right"))
        document = _KINDS[kind][0](rng)
        counted += len(_PIECE.findall(document))
        yield document
