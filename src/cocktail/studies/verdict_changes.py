"""Verdicts held against others: two claims.json for a review, and fresh ones against those of a record.

With a record they are compared as far as both are about the same claims, by one rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cocktail.claims.rows import VerdictRow, Verdicts, read_verdicts
from cocktail.claims.schema import read_claims
from cocktail.claims.study_lock import claims_digest
from cocktail.errors import ConfigError
from cocktail.files.records import digest_file
from cocktail.files.text import pipe_table, with_interval
from cocktail.runs.lock import read_lock

OPPOSITES = {"supported", "contradicted"}
ABSENT = "not there"
Key = tuple[str, str, str, str]  # claim, model, on, reading
HEAD = ("claim", "model", "on", "reading", "was", "is", "effect was", "effect is")
CLAIMS_COPY, LOCK_COPY = "claims.yaml", "lock.json"  # in the folder of a record; the second of a locked one


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


def hold_verdicts(reports: Path, recorded: Path, claims: Path, *, exact: bool) -> tuple[list[str], list[str]]:
    """Hold the verdicts in ``reports`` against those in the folder of a record.

    By another rule nothing is compared; where the claims changed since the record, the rows that both have.
    Return one line per verdict that should be the record's and is not, and notes: why less was compared than
    everything; for the reader, no fault.

    Args:
        claims: claims.yaml as it is.
        exact: whether every verdict must be equal; else none may be turned over.

    Raises:
        RecordError: a file is missing or broken.
    """
    fresh, kept = (read_verdicts(folder / "claims.json") for folder in (reports, recorded))
    broken, notes = list(_broken_copies(recorded, kept)), list(_lock_note(fresh, kept))
    if fresh.rule != kept.rule:
        rules = f"the record's stand under rule {kept.rule}, the fresh ones under rule {fresh.rule}"
        return broken, [f"verdicts are not compared: {rules}", *notes]
    changed = _claims_changed(recorded / CLAIMS_COPY, claims)
    if changed:
        notes.insert(0, "claims.yaml is not that of the record: verdicts are compared where both have a row")
    lines = [
        f"{one.claim} ({one.model}, {one.scope}, {one.reading}): recorded {one.was}, fresh {one.now}"
        for one in verdict_changes(kept, fresh)
        if (exact or one.flipped) and not (changed and ABSENT in (one.was, one.now))
    ]
    same = fresh.model_dump(exclude={"lock"}) == kept.model_dump(exclude={"lock"})
    if exact and not changed and not lines and not same:
        lines = ["claims.json differs"]
    return [*broken, *lines], notes


def _claims_changed(copy: Path, claims: Path) -> bool:
    """Whether claims are not those of the record's copy; a copy that this version cannot read is another."""
    if not copy.is_file():
        return True
    try:
        theirs = claims_digest(read_claims(copy))
    except ConfigError:
        return True
    return theirs != claims_digest(read_claims(claims))


def _broken_copies(recorded: Path, kept: Verdicts) -> Iterator[str]:
    """A locked record holds the very lock that its verdicts name, and the claims of that lock."""
    copy, claims = recorded / LOCK_COPY, recorded / CLAIMS_COPY
    if not kept.locked:
        return
    if not copy.is_file() or digest_file(copy) != kept.lock.digest:
        yield f"{LOCK_COPY} of the record is not the lock that its verdicts name"
    elif not claims.is_file():
        yield f"{CLAIMS_COPY} of the record is missing"
    else:
        with suppress(ConfigError):  # of a form that this version cannot read
            if claims_digest(read_claims(claims)) != read_lock(copy).claims:
                yield f"{CLAIMS_COPY} of the record is not what was locked"


def _lock_note(fresh: Verdicts, kept: Verdicts) -> Iterator[str]:
    mine, theirs = fresh.lock, kept.lock
    if (mine.state, mine.digest) != (theirs.state, theirs.digest):
        reason = f" ({mine.reason})" if mine.reason else ""
        yield f"the record is {kept.short_standing}, the fresh study {fresh.short_standing}{reason}"
