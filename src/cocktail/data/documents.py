"""Which filing pages are the same, though two data sets print them differently.

ConvFinQA is made from FinQA, but it drops short headings and lays tables out otherwise, so no digest of a
page's text is equal in both. Two pages are the same here when most runs of five words or numbers of the
shorter one stand in the other. On the 218 pages of ConvFinQA's dev part the true FinQA page shares 93 % to
100 %; pages that share 85 % or more without being the same are neighbours in one filing, and treating them
as one page is the careful choice.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from cocktail.data.table import short_digest

RUN_LENGTH = 5  # words
SHARED = 0.85


def group_pages(pages: Iterable[str]) -> dict[str, str]:
    """Return for each page the digest of the first page that it is the same as, by chains of sameness."""
    first: dict[str, str] = {}
    seen: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    for page in dict.fromkeys(pages):
        runs = _runs(page)
        shared = Counter(other for run in runs for other in seen.get(run, ()))
        same = [other for other, count in shared.items() if count >= SHARED * min(len(runs), sizes[other])]
        roots = list(dict.fromkeys(_root(first, other) for other in same)) or [page]
        first[page] = roots[0]
        for root in roots[1:]:
            first[root] = roots[0]
        sizes[page] = len(runs)
        for run in runs:
            seen.setdefault(run, []).append(page)
    return {page: short_digest(_root(first, page)) for page in first}


def _runs(page: str) -> list[str]:
    """The distinct runs of :data:`RUN_LENGTH` words or numbers; a shorter page is one run."""
    words = re.findall(r"[a-z0-9]+", page.casefold())
    starts = range(max(1, len(words) - RUN_LENGTH + 1))
    return list(dict.fromkeys(" ".join(words[start : start + RUN_LENGTH]) for start in starts))


def _root(first: dict[str, str], page: str) -> str:
    while first[page] != page:
        page = first[page]
    return page
