"""Rows of the instruction phase, made from passages: short questions that the passage itself answers.

They teach to answer a question in one word, to choose among listed options and to copy from the input. None
is a task of the study: no sentiment, no kind of entity, no topic of news, no number to be worked out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np

Row = tuple[str, str, str]
Maker = Callable[[np.random.Generator, str, Sequence[str]], Row | None]
SENTENCE = re.compile(r"[^.!?\n]{40,240}[.!?]")
WORD = re.compile(r"\b[a-z]{4,12}\b")
NUMBER = re.compile(r"(?<![\d.,])\d{1,4}(?![\d.,]*\d)")


def instruction_rows(
    passages: Sequence[str], *, count: int, rng: np.random.Generator
) -> Iterator[dict[str, str]]:
    """Yield ``count`` rows (kind, instruction, input, answer), kinds in turn; fewer where text runs out."""
    kinds = list(MAKERS)
    sentences = [match.group().strip() for text in passages for match in SENTENCE.finditer(text)]
    rng.shuffle(sentences)
    vocabulary = sorted({word for text in sentences[:2000] for word in WORD.findall(text)})
    made = 0
    for sentence in sentences:
        if made == count:
            return
        kind = kinds[made % len(kinds)]
        row = MAKERS[kind](rng, sentence, vocabulary)
        if row is not None:
            made += 1
            yield {"kind": kind, "instruction": row[0], "input": row[1], "answer": row[2]}


def _next_word(rng: np.random.Generator, sentence: str, vocabulary: Sequence[str]) -> Row | None:
    words = sentence.rstrip(".!?").split()
    places = [n for n, word in enumerate(words[:-1]) if words.count(word) == 1 and word.isalpha()]
    if not places:
        return None
    place = int(rng.choice(places))
    return f'Which word comes after "{words[place]}"?', sentence, words[place + 1].strip(",;:()")


def _contains(rng: np.random.Generator, sentence: str, vocabulary: Sequence[str]) -> Row | None:
    inside = WORD.findall(sentence)
    if not inside:
        return None
    asked = str(rng.choice(inside if rng.random() < 0.5 else vocabulary))
    found = asked in inside
    return f'Is the word "{asked}" in the text?', sentence, "Yes" if found else "No"


def _listed(rng: np.random.Generator, sentence: str, vocabulary: Sequence[str]) -> Row | None:
    inside = WORD.findall(sentence)
    others = [str(word) for word in rng.choice(vocabulary, 2, replace=False) if word not in inside]
    if not inside or len(others) < 2:
        return None
    right = str(rng.choice(inside))
    first, second, third = (str(word) for word in rng.permutation([right, *others]))
    return f"Which of these words is in the text: {first}, {second} or {third}?", sentence, right


def _first_word(rng: np.random.Generator, sentence: str, vocabulary: Sequence[str]) -> Row | None:
    words = WORD.findall(sentence)
    if len(words) < 2:
        return None
    last = rng.random() < 0.5
    side, word = ("last", words[-1]) if last else ("first", words[0])
    return f"Which word of four letters or more in lower case comes {side}?", sentence, word


def _number(rng: np.random.Generator, sentence: str, vocabulary: Sequence[str]) -> Row | None:
    numbers = NUMBER.findall(sentence)
    if not numbers:
        return None
    last = rng.random() < 0.5
    return f"Which number comes {'last' if last else 'first'} in the text?", sentence, numbers[-last]


def _gap(rng: np.random.Generator, sentence: str, vocabulary: Sequence[str]) -> Row | None:
    words = WORD.findall(sentence)
    if not words:
        return None
    right, other = str(rng.choice(words)), str(rng.choice(vocabulary))
    if right == other or other in words:
        return None
    first, second = (right, other) if rng.random() < 0.5 else (other, right)
    text = re.sub(rf"\b{right}\b", "___", sentence)
    return f"Which word fills the gap: {first} or {second}?", text, right


MAKERS: dict[str, Maker] = {
    "next_word": _next_word,
    "contains": _contains,
    "listed": _listed,
    "first_or_last_word": _first_word,
    "number": _number,
    "gap": _gap,
}
