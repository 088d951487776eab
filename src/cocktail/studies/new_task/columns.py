"""Which columns of a file are the text, the label and the cluster, and what the labels are called."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import combinations
from typing import Any

from cocktail.errors import DataError, near

Ask = Callable[[str], str]
Rows = Sequence[Mapping[str, Any]]

MOST_LABELS = 20
LABEL_NAMES = (
    "label", "labels", "class", "category", "sentiment", "stance", "target", "answer", "output", "y",
)  # fmt: skip
FEWEST_CLUSTERS = 20
LARGEST_CLUSTER = 0.2  # of the rows


@dataclass(frozen=True)
class Columns:
    """The columns that a task reads; ``cluster`` is "" where equal texts are one cluster."""

    text: str
    label: str
    cluster: str = ""


def find_columns(rows: Rows, *, text: str = "", label: str = "", cluster: str = "", where: str) -> Columns:
    """Return the columns that were named, and guess the others.

    Args:
        rows: of the file.
        text, label, cluster: columns; "": to be guessed, of ``cluster`` the text itself.
        where: the file, for messages.

    Raises:
        DataError: there are no rows, no such column, nothing to guess from, or a cluster is too coarse.
    """
    if not rows:
        raise DataError("the file has no rows", where=where)
    names = list(rows[0])
    for option, name in (("--text", text), ("--label", label), ("--cluster", cluster)):
        if name and name not in names:
            raise DataError(f"{option}: no column {name!r}{near(name, names)}", where=where)
    label = label or _guess_label(rows, names, but=text, where=where)
    text = text or _guess_text(rows, names, but=label, where=where)
    if text == label:
        raise DataError(f"text and label are one column, {text!r}", where=where, fix="--text, --label")
    if cluster:
        _refuse_coarse(rows, cluster, where=where)
    return Columns(text, label, cluster)


def label_names(
    rows: Rows, column: str, names: Mapping[str, str], *, where: str, ask: Ask | None = None
) -> dict[str, str]:
    """Return the name of every value of the label column; equal but for case and spacing is one name.

    Args:
        rows: of the file.
        column: of the labels.
        names: what was given, as {"0": "hawkish"}; what it lacks is called as the file writes it.
        where: the file, for messages.
        ask: asks a person what a number is called; None: nobody is there.

    Raises:
        DataError: numbers without names, two names that differ by a letter, one label only, or too many.
    """
    counts = Counter(plain_text(row[column]) for row in rows)
    counts.pop("", None)  # no answer: cleaning counts these rows
    if unknown := [value for value in names if value not in counts]:
        raise DataError(f"--names: no label {unknown[0]!r}{near(unknown[0], counts)}", where=where)
    numbers = [value for value in counts if re.fullmatch(r"-?\d+(\.0)?", value) and value not in names]
    if numbers and ask:
        names = {**names, **{value: ask(value) for value in sorted(numbers)}}
        numbers = [value for value in numbers if not names[value]]
    if numbers:
        example = ",".join(f"{value}=..." for value in sorted(counts))
        raise DataError(
            f"the labels are numbers, and a model answers in words: {_told(counts)}",
            where=f"{where}, column {column}",
            fix=f'say what each is called: --names "{example}"',
        )
    # Of spellings that differ in case the one that was given stays, else the most frequent.
    spelt = {value.casefold(): value for value, _ in reversed(counts.most_common())}
    spelt |= {name.casefold(): name for name in names.values()}
    folded = {value.casefold(): name for value, name in names.items()}
    named = {
        value: names.get(value) or folded.get(value.casefold()) or spelt[value.casefold()] for value in counts
    }
    ordered = {value: named[value] for value in [*names, *sorted(counts)]}
    found = list(dict.fromkeys(ordered.values()))
    if not 2 <= len(found) <= MOST_LABELS:
        raise DataError(
            f"{len(found)} different labels, where 2 to {MOST_LABELS} are asked for: {_told(counts)}",
            where=f"{where}, column {column}",
            fix="another --label; numbers, choices and free answers are written by hand (CONTRIBUTING.md)",
        )
    if typing_errors := _typing_errors(counts, named):
        option = _names_option({**names, **typing_errors})
        raise DataError(
            f"labels differ by a letter ({', '.join(typing_errors)}): {_told(counts)}",
            where=f"{where}, column {column}",
            fix=f"{option} where they are one; else names that differ by more",
        )
    return ordered


def parse_names(text: str) -> dict[str, str]:
    """Return ``0=hawkish,1=dovish`` as a mapping.

    Raises:
        DataError: a part is no ``value=name``.
    """
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if wrong := [value for value, mark, name in pairs if not mark or not name.strip() or not value.strip()]:
        raise DataError(
            f"--names: {wrong[0]!r} is no value=name", where="--names", fix='"0=hawkish,1=dovish"'
        )
    return {value.strip(): name.strip() for value, _, name in pairs}


def _names_option(names: Mapping[str, str]) -> str:
    """Return ``--names`` as one types it; what holds a comma or an equals sign cannot be typed so."""
    typed = ",".join(f"{value}={name}" for value, name in names.items())
    with suppress(DataError):
        if parse_names(typed) == names:
            return f'--names "{typed}"'
    return "mend the file"


def plain_text(value: Any) -> str:
    """Return a cell of a file as text without space around it; "" where it is empty."""
    return "" if value is None else str(value).strip()


def _told(counts: Counter[str]) -> str:
    shown = [f"{value!r} ({count})" for value, count in counts.most_common(MOST_LABELS)]
    return ", ".join([*shown, *(["..."] if len(counts) > MOST_LABELS else [])])


def _typing_errors(counts: Counter[str], named: Mapping[str, str]) -> dict[str, str]:
    """The rarer one of every two names that are a letter apart, as a value of the file -> the other name."""
    total: Counter[str] = Counter()
    for value, name in named.items():
        total[name] += counts[value]
    wrong: dict[str, str] = {}
    for common, rare in combinations([name for name, _ in total.most_common()], 2):
        if _a_letter_apart(common, rare):
            wrong.setdefault(rare, wrong.get(common, common))
    values = {value.casefold(): value for value, name in reversed(list(named.items())) if name in wrong}
    return {value: wrong[named[value]] for value in named if values.get(value.casefold()) == value}


def _a_letter_apart(one: str, other: str) -> bool:
    """Whether one long name is the other with a letter more, less or changed."""
    if min(len(one), len(other)) < 4 or abs(len(one) - len(other)) > 1:
        return False
    same = sum(block.size for block in SequenceMatcher(None, one, other).get_matching_blocks())
    return same >= max(len(one), len(other)) - 1


def _guess_label(rows: Rows, names: Sequence[str], *, but: str, where: str) -> str:
    few = []
    for name in names:
        values = {plain_text(row[name]) for row in rows} - {""}
        if name != but and 2 <= len(values) <= min(MOST_LABELS, max(2, len(rows) // 5)):
            few.append(name)
    known = [name for wanted in LABEL_NAMES for name in few if name.casefold() == wanted]
    if known or len(few) == 1:
        return (known or few)[0]
    what = f"columns with few values: {', '.join(few)}" if few else f"columns: {', '.join(names)}"
    raise DataError(f"no column is plainly the label; {what}", where=where, fix="--label COLUMN")


def _guess_text(rows: Rows, names: Sequence[str], *, but: str, where: str) -> str:
    lengths = {
        name: sum(len(row[name] or "") for row in rows) / len(rows)
        for name in names
        if name != but and all(isinstance(row[name], str | None) for row in rows)
    }
    if not lengths:
        told = f"no column holds text beside the label; columns: {', '.join(names)}"
        raise DataError(told, where=where, fix="--text COLUMN")
    return max(lengths, key=lambda name: lengths[name])


def _refuse_coarse(rows: Rows, column: str, *, where: str) -> None:
    """A cluster stands or falls as a whole: of few or large ones, the test part would take the train rows."""
    counts = Counter(plain_text(row[column]) for row in rows)
    value, most = counts.most_common(1)[0]
    if len(counts) < min(FEWEST_CLUSTERS, len(rows)) or most > LARGEST_CLUSTER * len(rows):
        raise DataError(
            f"--cluster {column}: {len(counts)} values for {len(rows)} rows, {most} of them {value!r}: "
            "rows of one cluster are never in train and test both, so most train rows would be taken away",
            where=where,
            fix="a column that only rows share that stand or fall together (a document, a headline), or none",
        )
