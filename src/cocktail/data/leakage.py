"""Train rows that give a test row away, and which filing pages are the same.

Kinds, strongest first; a row counts once:
    exact: the same question, word for word, is a test row of the same task;
    document: its filing page is in a test part of FinQA or ConvFinQA;
    normalised: its text equals a test text of the same task without links, case and spacing;
    other_task: its text equals a test text of another task in that way.
The train row goes, never the test row. ``leakage: keep`` keeps it, as the paper did, and still counts.

ConvFinQA is made from FinQA, but it drops short headings and lays tables out otherwise, so no digest of a
page's text is equal in both. Two pages are the same here when most runs of five words or numbers of the
shorter one stand in the other. On the 218 pages of ConvFinQA's dev part the true FinQA page shares 93 % to
100 %; pages that share 85 % or more without being the same are neighbours in one filing, and treating them
as one page is the careful choice.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

import pandas as pd

from cocktail.data.table import short_digest

KINDS = ("exact", "document", "normalised", "other_task")
COLUMNS = ("task", "item", "kind", "matches_item")
RUN_LENGTH = 5  # words
SHARED = 0.85


def find_leaks(train: pd.DataFrame, tests: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return a row (task, item, kind, matches_item) for each train row that gives a test row away.

    Args:
        train: rows of one task, with digests in ``cluster`` and ``document``.
        tests: the test rows of every evaluated task.
    """
    if train.empty:
        return pd.DataFrame(columns=COLUMNS, dtype="str")
    task = str(train["task"].iloc[0])
    own = tests.get(task, train.iloc[:0])
    others = pd.concat([train.iloc[:0], *(rows for name, rows in tests.items() if name != task)])
    pages = pd.concat([own, others])
    pages = pages[pages["document"] != ""]
    question = ["task", "instruction", "input"]
    matches = {
        "exact": _match(train, own, question),
        "document": _match(train, pages, ["document"]),
        "normalised": _match(train, own, ["cluster"]),
        "other_task": _match(train, others, ["cluster"]),
    }
    found = train[["task", "item"]].assign(kind="", matches_item="")
    for kind in reversed(KINDS):
        hits = matches[kind].notna()
        found.loc[hits, "kind"] = kind
        found.loc[hits, "matches_item"] = matches[kind][hits]
    return found[found["kind"] != ""]


def _match(train: pd.DataFrame, tests: pd.DataFrame, keys: list[str]) -> pd.Series[str]:
    """The first test item with equal ``keys`` for each train row, missing where there is none."""
    firsts = tests.drop_duplicates(keys)[[*keys, "item"]]
    matched = train[keys].merge(firsts, on=keys, how="left")["item"]
    return matched.set_axis(train.index)


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
