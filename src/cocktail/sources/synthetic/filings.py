"""Pages of company filings with a small table; questions on them live in ``filing_questions``.

A page is the document that ``finqa`` and ``convfinqa`` have in common: every third page of each set is
drawn from one shared stream, as ConvFinQA was made from FinQA, and its text is the same in both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np

from cocktail.sources.synthetic.streams import draw, stream
from cocktail.sources.synthetic.world import LEXICON, Company, chance, company, fill, pick, pick_some

THIS, LAST = "this year", "last year"
_SHARED_EVERY = 3  # every third page is common to both sets
_LEAKED_EVERY = 31  # and so often a training page is one of the test pages
_NOTES = (
    "The firm sells {thing} in {city}.",
    "{bank} lends to the firm.",
    "The firm owns a {unit} in {city}.",
)


@dataclass(frozen=True)
class FilingPage:
    """One page.

    Attributes:
        firm: whose filing it is.
        items: the lines of the table.
        this: for each item its number this year.
        last: and last year; None if the table has one column only.
        note: a sentence below the table that no question needs; may be empty.
    """

    firm: Company
    items: tuple[str, ...]
    this: tuple[int, ...]
    last: tuple[int, ...] | None
    note: str

    @property
    def text(self) -> str:
        """The page as printed: a heading, the table, the note."""
        if self.last is None:
            lines = [f"| {item}|{now}|" for item, now in zip(self.items, self.this, strict=True)]
        else:
            lines = [f"|| {THIS}| {LAST}|"]
            lines += [
                f"| {item}|{now}|{before}|"
                for item, now, before in zip(self.items, self.this, self.last, strict=True)
            ]
        return "\n".join((f"{self.firm.name} report in millions.", *lines, self.note)).strip()


def page(rng: np.random.Generator, *, years: int) -> FilingPage:
    """Return a page of two or three items over one year or two."""
    firm = company(rng)
    items = pick_some(rng, (*LEXICON["good"], *LEXICON["bad"]), 2 + int(chance(rng, 0.5)))
    this = tuple(int(number) + 1 for number in rng.permutation(9)[: len(items)])  # no ties within a year
    last = tuple(int(number) for number in rng.integers(1, 10, size=len(items)))
    note = fill(rng, pick(rng, _NOTES)) if chance(rng, 0.5) else ""
    return FilingPage(firm=firm, items=tuple(items), this=this, last=last if years == 2 else None, note=note)


def pages(*, seed: int, source: str, split: str) -> Iterator[FilingPage]:
    """Yield the pages of one set and split without end, some shared with the other set, a few leaked."""
    own, shared = stream(seed, source, "pages", split), stream(seed, "pages", split)
    leaked = stream(seed, "pages", "test")
    for number in count():
        is_leak = split == "train" and number % _LEAKED_EVERY == 1
        rng = leaked if is_leak else shared if number % _SHARED_EVERY == 0 else own
        yield one_sided(rng, test=is_leak or split == "test")


def one_sided(rng: np.random.Generator, *, test: bool) -> FilingPage:
    """Return a page of one year or, as often, of two, on the wanted side of the wall around test texts."""
    return draw(lambda: page(rng, years=1 + int(chance(rng, 0.5))), text=lambda made: made.text, test=test)
