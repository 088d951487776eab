"""What stops ``prepare``: a file most of whose rows are bad, a rule that takes most rows of a source.

Either is a wrong column or a wrong cluster far more often than bad data, so the message shows what was found
and says which line of the task's file decides it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cocktail.config import Params
from cocktail.errors import DataError

SHOWN = 6  # values of a label column
FEW = 50  # train rows; of fewer, any rule may take most
MOST = 0.5  # of a source's train rows, unless prepare.max_taken_share says otherwise
ASKED_FOR = ("too_long",)  # prepare.max_characters takes rows on purpose
COUNTED_ONLY = ("html_entities",)

CLUSTERED = (
    "example() gives the wrong `cluster`: it must be what only rows share that stand or fall together (their "
    "own text, a headline, a page), not a year, a label or a speaker"
)
CURES = {
    "empty_answer": "example() reads the wrong column for the answer, or the file has no labels there",
    "conflicting_labels": "equal questions have unequal answers: does example() read the column of the text?",
    "duplicates": "equal questions are one row: does example() read the column of the text?",
    "exact": "the test file holds the train rows: split the rows, and name two different files",
    "document": "the train file holds the filing pages of the test file: split by page",
    "normalised": CLUSTERED,
    "other_task": "the rows are another task's test rows: take other data, or leave that task out",
    "dev": CLUSTERED,
}


def refuse_bad_rows(
    path: Path,
    reasons: Counter[str],
    found: Mapping[str, Counter[str]],
    *,
    labels: Sequence[str],
    rows: int,
    share: float,
) -> None:
    """Stop where too many rows of a file are bad.

    Args:
        path: the file.
        reasons: of its bad rows.
        found: by column, values that are no label of the task.
        labels: of the task; empty: it has none.
        rows: of the file.
        share: of them may be bad.

    Raises:
        DataError: more are.
    """
    bad = sum(reasons.values())
    if bad <= share * rows:
        return
    reason, times = reasons.most_common(1)[0]
    what = f"{bad} of {rows} rows are bad, the share allowed is {share:g}; most often ({times}): {reason}"
    fix = "mend or replace the file, or raise prepare.max_quarantine_share"
    if labels and sum(values.total() for values in found.values()) > bad / 2:
        column = max(found, key=lambda name: found[name].total())
        values = found[column]
        shown = ", ".join(f"{value!r} ({count})" for value, count in values.most_common(SHOWN))
        what += f"; {column} holds {shown}" + (", ..." if len(values) > SHOWN else "")
        fix = f"{_label_cure(column, list(values), labels)}; or {fix}"
    raise DataError(what, where=str(path), fix=fix)


def _label_cure(column: str, values: Sequence[str], labels: Sequence[str]) -> str:
    numbers = sorted({int(value) for value in values if value.isdecimal()})
    if numbers and len(numbers) == len(set(values)):
        order = ", ".join(f"{number} is {label!r}" for number, label in enumerate(labels))
        fits = "" if numbers[-1] < len(labels) else f"; {numbers[-1]} has no label, so LABELS lacks some"
        return (
            f"the file numbers its labels: read them with label_at(row, {column!r}, LABELS), "
            f"where {order}{fits}"
        )
    return (
        f"the file spells its labels otherwise: read them with label_named(row, {column!r}, LABELS), and "
        f"write LABELS as the file does, now {', '.join(map(repr, labels))}"
    )


def refuse_taken(report: Mapping[str, Mapping[str, Any]], params: Params) -> None:
    """Stop where one rule takes most train rows of a source that is mixed.

    Args:
        report: by task, what ``prepare`` counted.
        params: the study.

    Raises:
        DataError: one or more do; each with what to look at.
    """
    share = params.prepare.max_taken_share or MOST
    problems, cures = [], []
    for name in params.study.tasks:
        if name not in report:  # cocktail new-task looks at one source alone
            continue
        counts = report[name]
        taken = {**counts["cleaning"], **(counts["leakage"] if params.prepare.leakage == "drop" else {})}
        taken = {rule: took for rule, took in taken.items() if rule not in (*ASKED_FOR, *COUNTED_ONLY)}
        seen = counts["kept"]["train"] + counts["kept"]["dev"] + sum(taken.values())
        for rule, took in taken.items():
            if seen >= FEW and took > share * seen:
                problems.append(
                    f"{name}: {took} of {seen} train rows are taken away ({rule.replace('_', ' ')})"
                )
                cures.append(f"src/cocktail/tasks/{name}.py: {CURES[rule]}")
    if problems:
        raise DataError(
            "; ".join(problems),
            where="stage prepare, before anything is written",
            fix="; ".join(dict.fromkeys(cures)) + "; or, where it is meant, raise prepare.max_taken_share",
        )
