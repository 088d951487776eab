"""Fresh verdicts held against those of a record, as far as both are about the same claims, by one rule."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cocktail.claims.changes import ABSENT, verdict_changes
from cocktail.claims.locked import claims_digest
from cocktail.claims.rows import OLDER_LOCK, Verdicts, read_verdicts
from cocktail.claims.schema import read_claims
from cocktail.errors import ConfigError
from cocktail.files.records import digest_file
from cocktail.runs.lock import read_lock

CLAIMS_COPY, LOCK_COPY = "claims.yaml", "lock.json"  # in the folder of a record; old ones have neither


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
        return False  # older than copies
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
    if theirs != OLDER_LOCK and (mine.state, mine.digest) != (theirs.state, theirs.digest):
        reason = f" ({mine.reason})" if mine.reason else ""
        yield f"the record is {kept.short_standing}, the fresh study {fresh.short_standing}{reason}"
