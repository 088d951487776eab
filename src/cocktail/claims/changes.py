"""Which verdicts differ between two claims.json: for a review, and for ``cocktail verify``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cocktail.errors import RecordError
from cocktail.files.records import read_json
from cocktail.files.text import pipe_table, with_interval

if TYPE_CHECKING:  # a review installs what this file needs, and no more
    from cocktail.claims.rows import VerdictRow, Verdicts

OPPOSITES = {"supported", "contradicted"}
ABSENT = "not there"
HEAD = ("claim", "model", "on", "reading", "was", "is", "effect was", "effect is")


@dataclass(frozen=True)
class Change:
    """One row whose verdict differs, or that only one side has.

    Attributes:
        headline: whether it is the first row of its claim, model and control's model.
        was, now: verdicts, or "not there".
        effect_was, effect_now: with interval, in points; a dash where there is none.
    """

    claim: str
    model: str
    scope: str
    reading: str
    headline: bool
    was: str
    now: str
    effect_was: str
    effect_now: str

    @property
    def flipped(self) -> bool:
        """Whether it went from one side to the other, not only in or out of doubt."""
        return {self.was, self.now} == OPPOSITES


def read_verdicts(path: Path) -> Verdicts:
    """Read a claims.json as far as changes need it.

    Raises:
        RecordError: the file is missing, is not JSON, or holds no claims with verdicts.
    """
    claims = read_json(path)
    try:
        dict(_rows(claims))
    except (KeyError, TypeError):
        raise RecordError("this is no claims.json", where=str(path), fix="dvc repro analyze") from None
    found: Verdicts = claims
    return found


def verdict_changes(old: Verdicts, new: Verdicts) -> list[Change]:
    """Return what changed between two claims.json: flipped rows first, then headlines, then others."""
    before, after = dict(_rows(old)), dict(_rows(new))
    found = [
        _change(key, before.get(key), after.get(key))
        for key in dict.fromkeys([*before, *after])
        if _verdict(before.get(key)) != _verdict(after.get(key))
    ]
    return sorted(found, key=lambda change: (not change.flipped, not change.headline))


def changes_markdown(old: Verdicts, new: Verdicts) -> str:
    """Return the changed verdicts as a section of a review's comment."""
    changes = verdict_changes(old, new)
    total = len(dict(_rows(new)))
    lines = [f"### Verdicts: {len(changes) or 'none'} of {total} changed", ""]
    if changes:
        lines += pipe_table(HEAD, map(_cells, changes), rule="---")
    return "\n".join([*lines, ""])


def _cells(one: Change) -> Sequence[str]:
    claim = f"**{one.claim}**" if one.headline else one.claim
    now = f"**{one.now}**" if one.flipped else one.now
    return claim, one.model, one.scope, one.reading, one.was, now, one.effect_was, one.effect_now


def _rows(claims: Verdicts) -> Iterator[tuple[tuple[str, str, str, str], tuple[bool, VerdictRow]]]:
    for claim in claims["claims"]:
        seen: set[tuple[str, str]] = set()
        for row in claim["verdicts"]:
            key = (claim["id"], row["model"], row["scope"], row["reading"])
            models = (row["model"], row["control_model"])
            yield key, (models not in seen, row)
            seen.add(models)


def _change(
    key: tuple[str, str, str, str], old: tuple[bool, VerdictRow] | None, new: tuple[bool, VerdictRow] | None
) -> Change:
    headline = any(side is not None and side[0] for side in (old, new))
    effects = [_effect(side[1] if side else None) for side in (old, new)]
    return Change(*key, headline, _verdict(old), _verdict(new), *effects)


def _verdict(side: tuple[bool, VerdictRow] | None) -> str:
    return side[1]["verdict"] if side else ABSENT


def _effect(row: VerdictRow | None) -> str:
    if row is None:
        return with_interval(None)
    return with_interval(row["effect"], row["low"], row["high"], minus="-")
