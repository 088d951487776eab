"""How far two engines agree on the same questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cocktail.inference.engine import Generated

SHOWN = 10


@dataclass(frozen=True)
class EngineComparison:
    """The agreement of two engines.

    Attributes:
        num_rows: questions compared.
        num_equal: rows with the same ids and the same end.
        num_labels: rows for which both found a label.
        num_equal_labels: those of them with the same one.
        first_different: indexes of the first rows that differ in anything, ``SHOWN`` at most.
    """

    num_rows: int
    num_equal: int
    num_labels: int
    num_equal_labels: int
    first_different: tuple[int, ...]


def compare_engines(ours: Sequence[Generated], theirs: Sequence[Generated]) -> EngineComparison:
    """Count the equal answers of two engines to the same questions, given in the same order.

    Raises:
        ValueError: the two are not of one length.
    """
    pairs = list(zip(ours, theirs, strict=True))
    chosen = [(a, b) for a, b in pairs if a.label and b.label]
    different = [index for index, (a, b) in enumerate(pairs) if a != b]
    return EngineComparison(
        num_rows=len(pairs),
        num_equal=sum((a.ids, a.stopped) == (b.ids, b.stopped) for a, b in pairs),
        num_labels=len(chosen),
        num_equal_labels=sum(a.label == b.label for a, b in chosen),
        first_different=tuple(different[:SHOWN]),
    )
