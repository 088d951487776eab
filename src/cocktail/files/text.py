"""How results are written as text: an effect with its interval, a table in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

ONE_SEED = "these weights"  # what an interval is about where there are too few seeds to speak of training


def with_interval(
    effect: float | None,
    low: float | None = None,
    high: float | None = None,
    *,
    about: str | None = None,
    missing: str = "–",
    minus: str = "−",
) -> str:
    """Return an effect with its interval, in points: ``+1.2 [−0.5, +3.0]``.

    Args:
        low, high: None: the effect alone.
        about: what the interval is about; said where it is one seed's.
        missing: what is written where there is no effect.
        minus: the sign of what is below zero; "-" where a text is read on a terminal.
    """
    if effect is None:
        return missing
    ends = "" if low is None or high is None else f" [{low:+.1f}, {high:+.1f}]"
    told = f" ({ONE_SEED})" if about == ONE_SEED else ""
    return f"{effect:+.1f}{ends}".replace("-", minus) + told


def without_pipes(text: str) -> str:
    """Return a cell in which no pipe begins another one."""
    return text.replace("|", "\\|")


def pipe_table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    cell: Callable[[str], str] = without_pipes,
    rule: str = " --- ",
) -> Iterator[str]:
    """Yield the lines of a table in Markdown.

    Args:
        cell: makes a cell of a text, also in the head.
        rule: one column of the line below the head.
    """
    lines = ["| " + " | ".join(map(cell, row)) + " |" for row in (head, *rows)]
    yield lines[0]
    yield f"|{'|'.join([rule] * len(head))}|"
    yield from lines[1:]
