"""Short market messages: bearish, bullish or neutral (``twitter_sa``), and their topic (``twitter_topics``).

Shares moves, moods, companies and their tickers with headlines and company sentences. Quirks of the real
files: cash tags, shortened links, HTML entities, double spaces, line breaks inside quoted fields, and
messages that occur in both files up to their link.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from itertools import islice

import numpy as np

from cocktail.sources.synthetic.streams import draw_distinct, stream
from cocktail.sources.synthetic.topics import TOPICS
from cocktail.sources.synthetic.world import chance, company, fill, person, pick, slots

BEARISH, BULLISH, NEUTRAL = 0, 1, 2
_SENTIMENTS: tuple[tuple[str, ...], ...] = (
    (
        "${ticker} - {company} cut to Sell at {bank}",
        "${ticker}: {bank} cuts {company} on {gloomy} {market}",
        "{company} shares {down} {n} on {day}",
        "{company} warns of {gloomy} {good}",
        "${ticker} - {company} {bad} {up}, {good} {down}",
        '{person} on {company}: "{market} is {gloomy}"',
        "{company} misses on {good} & {market} is {gloomy}",
    ),
    (
        "${ticker} - {company} raised to Buy at {bank}",
        "${ticker}: {bank} lifts {company} on {bright} {market}",
        "{company} shares {up} {n} on {day}",
        "{company} hints at {bright} {good}",
        "${ticker} - {company} {good} {up}, {bad} {down}",
        '{person} on {company}: "{market} is {bright}"',
        "{company} beats on {good} & {market} is {bright}",
    ),
    (
        "{company} to report in {city} on {day}",
        "${ticker} - {company} declares dividend of {n}",
        "{person} of {company} speaks in {city}",
        "What to watch: {company} & {bank}",
        "Is {company} a stock to know {soon}?",
        "{company} shares {flat} on {day}",
        "{bank} and {company} meet in {city} {soon}",
    ),
)
_MIXED = "${ticker} shares {up} {n}, but {company} {good} {down}"  # bullish to some, bearish to others
_SHARES = (0.26, 0.31, 0.39, 0.04)  # bearish, bullish, neutral, mixed
_COARSE_READERS = 0.04  # share of the sentiments read as neutral
_OVERLAP = 0.05  # share of the messages filed under another topic
_LEAKED = 12  # messages of the test file that the train file repeats, up to their links
_CODE = tuple("abcdefghkmnprstuvwxyzABCDEFGHKMNPRSTUVWXYZ23456789")

Message = tuple[str, int]


def sentiment_message(rng: np.random.Generator) -> Message:
    """Return a bare message and its sentiment; mixed ones are settled by a coin."""
    kind = int(rng.choice(4, p=_SHARES))
    text = _filled(rng, _MIXED if kind == 3 else pick(rng, _SENTIMENTS[kind]))
    return text, kind if kind < 3 else pick(rng, (BEARISH, BULLISH))


def topic_message(rng: np.random.Generator) -> Message:
    """Return a bare message and the number of its topic."""
    label = _topic(rng)
    return _filled(rng, pick(rng, TOPICS[label].templates)), label


def sentiment_rows(*, seed: int, split: str, count: int) -> list[dict[str, object]]:
    """Return ``count`` rows text, label; some fields hold line breaks."""

    def read(rng: np.random.Generator) -> Message:
        text, label = sentiment_message(rng)
        return text, NEUTRAL if chance(rng, _COARSE_READERS) else label

    return _rows("twitter_sa", read, _with_breaks, seed=seed, split=split, count=count)


def topic_rows(*, seed: int, split: str, count: int) -> list[dict[str, object]]:
    """Return ``count`` rows text, label; HTML entities and a double space before the link."""

    def read(rng: np.random.Generator) -> Message:
        text, label = topic_message(rng)
        return text, _topic(rng) if chance(rng, _OVERLAP) else label

    return _rows("twitter_topics", read, _with_entities, seed=seed, split=split, count=count)


def _rows(
    source: str,
    read: Callable[[np.random.Generator], Message],
    dress: Callable[[np.random.Generator, str], str],
    *,
    seed: int,
    split: str,
    count: int,
) -> list[dict[str, object]]:
    """Messages in random order, dressed with links and quirks; train repeats a few of the test file."""
    leaked = min(_LEAKED, count // 20) if split == "train" else 0
    messages = _messages(read, seed=seed, source=source, split="test", count=leaked)
    messages += _messages(read, seed=seed, source=source, split=split, count=count - leaked)
    rng = stream(seed, source, split, "clothes")
    shuffled = (messages[int(index)] for index in rng.permutation(count))
    return [{"text": dress(rng, text), "label": label} for text, label in shuffled]


def _messages(
    read: Callable[[np.random.Generator], Message], *, seed: int, source: str, split: str, count: int
) -> list[Message]:
    rng = stream(seed, source, split)
    drawn = draw_distinct(lambda: read(rng), test=split == "test")
    return list(islice(drawn, count))


def _topic(rng: np.random.Generator) -> int:
    weights = np.array([topic.weight for topic in TOPICS])
    return int(rng.choice(len(TOPICS), p=weights / weights.sum()))


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
