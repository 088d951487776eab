"""Train rows that give a test row away.

Kinds, strongest first; a row counts once:
    exact: the same question, word for word, is a test row of the same task;
    document: its filing page is in a test part of FinQA or ConvFinQA;
    normalised: its text equals a test text of the same task without links, case and spacing;
    other_task: its text equals a test text of another task in that way.
The train row goes, never the test row. ``leakage: keep`` keeps it, as the paper did, and still counts.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

KINDS = ("exact", "document", "normalised", "other_task")
COLUMNS = ("task", "item", "kind", "matches_item")


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
