"""Word problems with small numbers: ``orca_math`` (worked steps) and ``gsm8k`` (two steps, ``#### n``).

Numbers are 1 to 9, so that the sums in the filings are the same sums; results stay between 0 and 27.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from cocktail.sources.synthetic.streams import draw_distinct, stream
from cocktail.sources.synthetic.world import FIRST_NAMES, LEXICON, chance, fill, pick, pick_some

_START = (
    "{who} has {a} {thing}.",
    "There are {a} {thing} on the table of {who}.",
    "{who} found {a} {thing}.",
)
_MORE = ("{who} buys {b} more.", "{friend} gives {who} {b} more.", "{who} gets {b} {thing} from {friend}.")
_LESS = (
    "{who} loses {b} of them.",
    "{who} gives {b} of them to {friend}.",
    "{friend} takes {b} {thing} away.",
)
_ASIDE = ("{friend} has {c} {other}.", "{who} is {c} years old.")
_ASK = ("How many {thing} does {who} have now?", "How many {thing} are left with {who}?")


@dataclass(frozen=True)
class Problem:
    """A word problem: its text, and its steps as (left, sign, right, result)."""

    question: str
    thing: str
    steps: tuple[tuple[int, str, int, int], ...]


def problem(rng: np.random.Generator, *, steps: int) -> Problem:
    """Return a problem of ``steps`` additions or subtractions; one in five has a number of no use."""
    who, friend = pick_some(rng, FIRST_NAMES, 2)
    thing, other = pick_some(rng, LEXICON["thing"], 2)
    total = int(rng.integers(1, 10))
    words = {"who": who, "friend": friend, "thing": thing, "other": other, "c": str(int(rng.integers(2, 10)))}
    said = [fill(rng, pick(rng, _START), a=str(total), **words)]
    done = []
    for _ in range(steps):
        more = total < 2 or chance(rng, 0.5)
        amount = int(rng.integers(1, 10 if more else min(total, 9) + 1))
        said.append(fill(rng, pick(rng, _MORE if more else _LESS), b=str(amount), **words))
        result = total + amount if more else total - amount
        done.append((total, "+" if more else "-", amount, result))
        total = result
    if chance(rng, 0.2):
        said.insert(1, fill(rng, pick(rng, _ASIDE), **words))
    said.append(fill(rng, pick(rng, _ASK), **words))
    return Problem(question=" ".join(said), thing=thing, steps=tuple(done))


def step_text(step: tuple[int, str, int, int]) -> str:
    """One worked step: ``7-3=4``."""
    left, sign, right, result = step
    return f"{left}{sign}{right}={result}"


def orca_rows(*, seed: int, split: str, count: int) -> list[dict[str, str]]:
    """Return ``count`` rows question, answer: one step or two, each written out, then the answer."""
    made = []
    for drawn in _problems("orca_math", two_steps=0.4, seed=seed, split=split, count=count):
        lines = [*map(step_text, drawn.steps), f"The answer is {drawn.steps[-1][3]}"]
        made.append({"question": drawn.question, "answer": "\n".join(lines)})
    return made


def gsm8k_rows(*, seed: int, split: str, count: int) -> list[dict[str, str]]:
    """Return ``count`` rows question, answer: one step or two with calculator marks, then ``#### n``."""
    made = []
    for drawn in _problems("gsm8k", two_steps=0.5, seed=seed, split=split, count=count):
        lines = [
            f"{left}{sign}{right}=<<{left}{sign}{right}={result}>>{result} {drawn.thing}"
            for left, sign, right, result in drawn.steps
        ]
        made.append({"question": drawn.question, "answer": "\n".join([*lines, f"#### {drawn.steps[-1][3]}"])})
    return made


def _problems(source: str, *, two_steps: float, seed: int, split: str, count: int) -> Iterator[Problem]:
    rng = stream(seed, source, split)
    drawn = draw_distinct(
        lambda: problem(rng, steps=1 + int(chance(rng, two_steps))),
        text=lambda made: made.question,
        test=split == "test",
    )
    return islice(drawn, count)
