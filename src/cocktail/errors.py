"""Errors that a person can act on: what happened, where, why, and what mends it.

An exception carries its facts as attributes (tests read those, never the text) and builds its message
from them. ``cocktail.cli`` and the stages print ``str(error)`` and exit with 2; no library stack trace
reaches the user.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable


class CocktailError(Exception):
    """Base of all errors the package raises on purpose.

    Args:
        what: one sentence: what is wrong.
        where: the file, key or run it was seen in; empty if it has no place.
        fix: the command or key that mends it; empty if unknown.
    """

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what, self.where, self.fix = what, where, fix
        parts = [what]
        if where:
            parts.append(f"  where: {where}")
        if fix:
            parts.append(f"  to mend it: {fix}")
        super().__init__("\n".join(parts))


class ConfigError(CocktailError):
    """One or more wrong values in params.yaml or conf/; ``problems`` holds one line each."""

    def __init__(self, problems: Iterable[str], *, where: str) -> None:
        self.problems = tuple(problems)
        listed = "\n".join(f"  - {problem}" for problem in self.problems)
        super().__init__(f"{len(self.problems)} problem(s) in the configuration:\n{listed}", where=where)


class SourceError(CocktailError):
    """A raw file is missing, cannot be reached, or is not the one that was expected."""


class DataError(CocktailError):
    """A data file cannot be read, or too many of its rows had to be put in quarantine."""


class RunError(CocktailError):
    """A training or answering run cannot be started or did not end well."""


class BusyError(RunError):
    """Another process is making the same thing right now."""


class EndpointError(CocktailError):
    """An endpoint is not named, cannot be reached, or answers with something else than it should."""


class RecordError(CocktailError):
    """Recorded and fresh results differ, or a result file is missing or broken."""


class StoppedError(BaseException):
    """The process was told to stop (SIGTERM). As of Ctrl-C, nobody takes it for a fault and goes on."""


def first_line(error: BaseException) -> str:
    """Return the first line of what a library's error says, its type if it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def near(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest of ``known``, or the list of all known names."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"


def unknown(names: Iterable[str], known: Collection[str], what: str) -> list[str]:
    """Return a line on each name that is not among ``known``: ``what``, the name, the closest known one."""
    return [f"{what} {name!r}{near(name, known)}" for name in names if name not in known]
