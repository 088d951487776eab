"""Short market messages: bearish, bullish or neutral (``twitter_sa``), and their topic (``twitter_topics``).

Shares moves, moods, companies and their tickers with headlines and company sentences. Quirks of the real
files: cash tags, shortened links, HTML entities, double spaces, line breaks inside quoted fields, and
messages that occur in both files up to their link.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from functools import partial

import numpy as np

from cocktail.sources.embedded.entities import company, person, slots
from cocktail.sources.embedded.streams import draw, stream
from cocktail.sources.embedded.topics import TOPICS
from cocktail.sources.embedded.words import chance, fill, pick

BEARISH, BULLISH, NEUTRAL = 0, 1, 2
_SENTIMENTS: tuple[tuple[str, ...], ...] = (
    (
        "${ticker} - {company} cut to Sell at {bank}",
        "${ticker}: {bank} cuts {company} on {gloomy} {market}",
        "{company} shares {down} {n} on {day}",
        "{company} warns of {gloomy} {good}",
        "${ticker} - {company} {bad} {up} , {good} {down}",
        "{person} turns {gloomy} on {company}",
        "{company} misses on {good} & {market} is {gloomy}",
    ),
    (
        "${ticker} - {company} raised to Buy at {bank}",
        "${ticker}: {bank} lifts {company} on {bright} {market}",
        "{company} shares {up} {n} on {day}",
        "{company} hints at {bright} {good}",
        "${ticker} - {company} {good} {up} , {bad} {down}",
        "{person} turns {bright} on {company}",
        "{company} beats on {good} & {market} is {bright}",
    ),
    (
        "{company} to report in {city} on {day}",
        "${ticker} - {company} declares dividend of {n}",
        "{person} of {company} speaks in {city}",
        "What to watch : {company} & {bank}",
        "Is {company} a stock to know ?",
        "{company} shares {flat} on {day}",
        "{bank} and {company} meet in {city} {soon}",
    ),
)
_SENTIMENT_SHARES = (0.27, 0.33, 0.40)
_LEAKED = 12  # test messages that the train file repeats with another link
_CODE = tuple("abcdefghkmnprstuvwxyzABCDEFGHKMNPRSTUVWXYZ23456789")


def sentiment_message(rng: np.random.Generator) -> tuple[str, int]:
    """Return a bare message and its label; one label in 25 is a coarser reader's ``neutral``."""
    label = int(rng.choice(3, p=_SENTIMENT_SHARES))
    text = _filled(rng, pick(rng, _SENTIMENTS[label]))
    return text, NEUTRAL if chance(rng, 0.04) else label


def topic_message(rng: np.random.Generator) -> tuple[str, int]:
    """Return a bare message and its topic's number; one label in 20 is a neighbour's (topics overlap)."""
    shares = np.array([topic.weight for topic in TOPICS])
    label = int(rng.choice(len(TOPICS), p=shares / shares.sum()))
    text = _filled(rng, pick(rng, TOPICS[label].templates))
    if chance(rng, 0.05):
        label = int(rng.choice(len(TOPICS), p=shares / shares.sum()))
    return text, label


def sentiment_rows(*, seed: int, split: str, count: int) -> list[dict[str, object]]:
    """Return ``count`` rows text, label; some fields hold line breaks."""
    return _rows("twitter_sa", sentiment_message, _with_breaks, seed=seed, split=split, count=count)


def topic_rows(*, seed: int, split: str, count: int) -> list[dict[str, object]]:
    """Return ``count`` rows text, label; HTML entities and a double space before the link."""
    return _rows("twitter_topics", topic_message, _with_entities, seed=seed, split=split, count=count)


def _rows(
    source: str,
    make: Callable[[np.random.Generator], tuple[str, int]],
    dress: Callable[[np.random.Generator, str], str],
    *,
    seed: int,
    split: str,
    count: int,
) -> list[dict[str, object]]:
    """Bare messages, dressed with links and quirks; train first repeats a few messages of the test file."""
    messages: list[tuple[str, int]] = []
    if split == "train":
        messages = _messages(make, stream(seed, source, "test"), count=min(_LEAKED, count // 20), test=True)
    rng = stream(seed, source, split)
    messages += _messages(make, rng, count=count - len(messages), test=split == "test")
    clothes = stream(seed, source, split, "links")
    order = clothes.permutation(count) if split == "train" else range(count)
    return [{"text": dress(clothes, messages[int(i)][0]), "label": messages[int(i)][1]} for i in order]


def _messages(
    make: Callable[[np.random.Generator], tuple[str, int]],
    rng: np.random.Generator,
    *,
    count: int,
    test: bool,
) -> list[tuple[str, int]]:
    return [draw(partial(make, rng), text=lambda drawn: drawn[0], test=test) for _ in range(count)]


def _filled(rng: np.random.Generator, template: str) -> str:
    return fill(rng, template, person=person(rng), company_2=company(rng).name, **slots(company(rng)))


def _link(rng: np.random.Generator) -> str:
    return "https://t.co/" + "".join(pick(rng, _CODE) for _ in range(5))


def _with_breaks(rng: np.random.Generator, text: str) -> str:
    """A link on a quarter of the messages; line breaks in one of twelve."""
    gap = "\n\n" if chance(rng, 0.08) else " "
    return f"{text}{gap}{_link(rng)}" if chance(rng, 0.25) else text.replace(" on ", f"{gap}on ", 1)


def _with_entities(rng: np.random.Generator, text: str) -> str:
    """``&`` as an entity; a link after two spaces on a quarter of the messages."""
    escaped = html.escape(text, quote=False)
    return f"{escaped}  {_link(rng)}" if chance(rng, 0.25) else escaped
