"""Which verdicts differ between two claims.json: for a review, and for ``cocktail verify``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cocktail.claims.rows import VerdictRow, Verdicts
from cocktail.files.text import pipe_table, with_interval

OPPOSITES = {"supported", "contradicted"}
ABSENT = "not there"
Key = tuple[str, str, str, str]  # claim, model, on, reading
HEAD = ("claim", "model", "on", "reading", "was", "is", "effect was", "effect is")


@dataclass(frozen=True)
class Change:
    """One row whose verdict differs, or that only one side has.

    Attributes:
        headline: whether it is what its claim says of the model.
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


def verdict_changes(old: Verdicts, new: Verdicts) -> list[Change]:
    """Return what changed between two claims.json: flipped rows first, then headlines, then others."""
    before, after = _rows(old), _rows(new)
    found = [
        _change(key, before.get(key), after.get(key))
        for key in dict.fromkeys([*before, *after])
        if _verdict(before.get(key)) != _verdict(after.get(key))
    ]
    return sorted(found, key=lambda change: (not change.flipped, not change.headline))


def changes_markdown(old: Verdicts, new: Verdicts) -> str:
    """Return the changed verdicts as a section of a review's comment."""
    changes = verdict_changes(old, new)
    total = len(_rows(new))
    lines = [f"### Verdicts: {len(changes) or 'none'} of {total} changed", ""]
    if changes:
        lines += pipe_table(HEAD, map(_cells, changes), rule="---")
    return "\n".join([*lines, ""])


def _cells(one: Change) -> Sequence[str]:
    claim = f"**{one.claim}**" if one.headline else one.claim
    now = f"**{one.now}**" if one.flipped else one.now
    return claim, one.model, one.scope, one.reading, one.was, now, one.effect_was, one.effect_now


def _rows(claims: Verdicts) -> dict[Key, VerdictRow]:
    return {
        (claim.id, row.model, row.on, row.reading): row for claim in claims.claims for row in claim.verdicts
    }


def _change(key: Key, old: VerdictRow | None, new: VerdictRow | None) -> Change:
    headline = any(row is not None and row.headline for row in (old, new))
    return Change(*key, headline, _verdict(old), _verdict(new), _effect(old), _effect(new))


def _verdict(row: VerdictRow | None) -> str:
    return row.verdict if row else ABSENT


def _effect(row: VerdictRow | None) -> str:
    if row is None:
        return with_interval(None)
    return with_interval(row.effect, row.low, row.high, minus="-")
