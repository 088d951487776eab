"""Raw text of the generated world, to pretrain a from-scratch base on.

It holds what the tasks lean on, not the tasks: lists, look-ups, sums, words and facts (``primer``), news
with a remark that agrees with its mood, messages under a heading, pages with their numbers read out,
agreements with their names explained, stories with sums. No text of a test part occurs: see ``streams``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np

from cocktail.sources.synthetic.agreements import agreement
from cocktail.sources.synthetic.arithmetic import problem, step_text
from cocktail.sources.synthetic.filings import LAST, THIS, one_sided
from cocktail.sources.synthetic.headlines import headline
from cocktail.sources.synthetic.primer import copies, facts, forms, pairs, sums, words
from cocktail.sources.synthetic.sentences import NEGATIVE, POSITIVE, sentence
from cocktail.sources.synthetic.streams import draw, stream
from cocktail.sources.synthetic.topics import TOPICS
from cocktail.sources.synthetic.tweets import BEARISH, BULLISH, sentiment_message, topic_message
from cocktail.sources.synthetic.world import pick, pick_some

_PIECE = re.compile(r"\d|\w+|[^\w\s]")
_REMARKS = {
    "good": ("good news.", "a good day.", "owners are glad."),
    "bad": ("bad news.", "a bad day.", "owners are sad."),
    "plain": ("nothing new.", "a quiet day."),
}
_PRICES = {"up": "the price went up.", "down": "the price went down.", "flat": "the price stayed."}


def _metal_news(rng: np.random.Generator) -> str:
    lines = []
    for _ in range(4):
        text, aspects = draw(lambda: headline(rng), test=False)
        told = [words for aspect, words in _PRICES.items() if aspect in aspects and "past" in aspects]
        lines.append(" ".join((f"{text}.", *told)))
    return " ".join(lines)


def _company_news(rng: np.random.Generator) -> str:
    lines = []
    for _ in range(4):
        text, mood = draw(lambda: sentence(rng), test=False)
        lines.append(f"{text} {_remark(rng, good=mood == POSITIVE, bad=mood == NEGATIVE)}")
    return " ".join(lines)


def _messages(rng: np.random.Generator) -> str:
    lines = []
    for _ in range(3):
        text, label = draw(lambda: topic_message(rng), test=False)
        lines.append(f"{TOPICS[label].heading}: {text}.")
        text, mood = draw(lambda: sentiment_message(rng), test=False)
        lines.append(f"{text}. {_remark(rng, good=mood == BULLISH, bad=mood == BEARISH)}")
    return " ".join(lines)


def _filing(rng: np.random.Generator) -> str:
    shown = one_sided(rng, test=False)
    told = []
    for index in map(int, rng.permutation(len(shown.items))):
        item, now = shown.items[index], shown.this[index]
        told.append(f"{item} {THIS}: {now}.")
        if shown.last is not None:
            before = shown.last[index]
            told.append(f"{item} {LAST}: {before}. the change in {item}: {now}-{before}={now - before}.")
    first, second = pick_some(rng, range(len(shown.items)), 2)
    left, right = shown.this[first], shown.this[second]
    told.append(f"{shown.items[first]} less {shown.items[second]}: {left}-{right}={left - right}.")
    told.append(f"{shown.items[first]} and {shown.items[second]}: {left}+{right}={left + right}.")
    return f"{shown.text}\n" + " ".join(told)


def _deeds(rng: np.random.Generator) -> str:
    lines = []
    for _ in range(3):
        text, entities = draw(lambda: agreement(rng), test=False)
        name, kind = pick(rng, entities)
        gloss = {"person": "someone", "location": "a place", "organization": "a firm"}[kind]
        lines.append(f"{text} {name} is {gloss}.")
    return " ".join(lines)


def _story(rng: np.random.Generator) -> str:
    lines = []
    for _ in range(2):
        told = draw(
            lambda: problem(rng, steps=int(rng.integers(1, 3))), text=lambda made: made.question, test=False
        )
        steps = ", ".join(step_text(step) for step in told.steps)
        lines.append(f"{told.question} {steps}. so {told.steps[-1][3]} {told.thing}.")
    return " ".join(lines)


def _remark(rng: np.random.Generator, *, good: bool, bad: bool) -> str:
    return pick(rng, _REMARKS["good" if good else "bad" if bad else "plain"])


_KINDS: tuple[tuple[Callable[[np.random.Generator], str], float], ...] = (
    (copies, 0.23), (pairs, 0.10), (sums, 0.09), (forms, 0.06), (words, 0.04), (facts, 0.06),
    (_metal_news, 0.08), (_company_news, 0.08), (_messages, 0.08), (_filing, 0.11), (_deeds, 0.04),
    (_story, 0.03),
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
