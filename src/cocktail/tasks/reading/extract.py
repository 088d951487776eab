"""What an answer says: a label, a number, a choice or a text, read strictly or leniently.

Strict: the whole answer, without outer white space and without case, is what was asked for; this measures
whether a model keeps to the format. Lenient: exactly one thing asked for can be read in the answer; this
measures what the model knows. None means INVALID: it is a value of its own and never counts as a guess, so
an answer that names two different labels is INVALID, and so is "not positive".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cocktail.tasks.reading.numbers import Number, find_numbers, parse_number

# A negation reaches over at most three words of its own clause.
_NEGATION = re.compile(
    r"(?:\b(?:not|no|non|never|neither|nor|without|hardly|cannot|rather than|instead of)|n't)\b"
    r"(?:[\s-]+[^\s,.;:!?]+){0,3}?[\s\"'*-]*$"
)
_RESULT = re.compile(r"(?:####|=|\banswer\s*(?:is|:)|\\boxed\{)", re.IGNORECASE)


def strict_label(text: str, labels: Sequence[str]) -> str | None:
    """Return the label that the whole answer is, in the text of ``labels``."""
    return {_squeeze(label): label for label in labels}.get(_squeeze(text))


def lenient_label(text: str, labels: Sequence[str]) -> str | None:
    """Return the one label that the answer names as a word and does not negate."""
    named = _named_labels(_squeeze(text), labels)
    return named.pop() if len(named) == 1 else None


def lenient_choice(text: str, labels: Sequence[str] = "ABCD") -> str | None:
    """Return the one letter that is marked as a choice: "(B)", "B.", "answer is B", or B as the first word.

    An article ("A company ...") is no choice, hence a letter in running text needs a mark.
    """
    letters = "".join(labels)
    marked = re.findall(rf"\(([{letters}])\)|(?<!\w)([{letters}])(?=[).:])", text.strip())
    marked += re.findall(rf"(?i:answer(?:\s+is)?|option|choice)\s*:?\s*()([{letters}])\b(?![').:])", text)
    marked += re.findall(rf"^()([{letters}])$", text.strip().upper())
    found = {first or second for first, second in marked}
    return found.pop() if len(found) == 1 else None


def strict_quantity(text: str) -> Number | None:
    """Return the number that the whole answer is, or that ends it after "=" or "####", its unit kept apart.

    Worked answers end in "7 - 3 = 4" or "#### 4": both are formats of the training data, hence strict.
    """
    return parse_number(re.split(r"####|=", text)[-1])


def lenient_quantity(text: str) -> Number | None:
    """Return the number after the last "####", "=", "answer is" or "boxed", else the only number."""
    results = [find_numbers(part) for part in _RESULT.split(text)[1:]]
    if results and results[-1]:
        return results[-1][0]
    numbers = set(find_numbers(text))
    return numbers.pop() if len(numbers) == 1 else None


def strict_text(text: str) -> str | None:
    """Return the answer without outer white space; an empty answer is INVALID."""
    return text.strip() or None


def lenient_text(text: str) -> str | None:
    """Return the answer with white space made single; one without any letter or digit is INVALID."""
    squeezed = " ".join(text.split())
    return squeezed if re.search(r"\w", squeezed) else None


def _squeeze(text: str) -> str:
    """Lower case, single spaces, and one spacing of the bar in topic names."""
    return re.sub(r"\s*\|\s*", " | ", " ".join(text.replace("’", "'").casefold().split()))


def _named_labels(text: str, labels: Sequence[str]) -> set[str]:
    """The labels named in ``text`` and not negated; a longer label hides a shorter one inside it."""
    by_text = {_squeeze(label): label for label in labels}
    longest_first = sorted(by_text, key=lambda text: (-len(text), text))
    pattern = "|".join(re.escape(text) for text in longest_first)
    mentions = list(re.finditer(rf"(?<!\w)(?:{pattern})(?!\w)", text))
    if "no" in by_text:  # then "no" is an answer, not a negation of the words after it
        return {by_text[mention[0]] for mention in mentions}
    return {by_text[mention[0]] for mention in mentions if not _NEGATION.search(text[: mention.start()])}
