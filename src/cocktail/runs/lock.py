"""Locks of studies: claims, rule and params, written down and committed before the first run is made.

A lock is ``reports/locks/<study>.json``; ``cocktail lock`` writes it. A study is locked where claims, rule
and params are those of its lock, and the lock was there when stages explore and confirm ran: they note its
digest in ``index.json``. A rerun of them after a lock was made trains nothing, since finished runs are found
in the store, and notes the lock all the same: that the lock came first is proved by the history of git alone.

No claims are read here, so that a stage that trains does not depend on how claims are tested.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from cocktail.config import ConfigSection, Digest, LockState, Params, Positive, record_name
from cocktail.config.compose import differences
from cocktail.errors import RecordError
from cocktail.files.records import digest_file, digest_value, read_json

STAGES = ("explore", "confirm")
SHOWN = 5  # params that a reason names; the lock has all
# Params that are not locked, since no result hangs on them but for rounding: how and where runs are made, how
# an endpoint is asked, where the data lie. Whatever is not named here is locked, also what is new.
FREE = (
    "execute",
    "answer.batch_size",
    "endpoint.concurrency",
    "endpoint.tries",
    "endpoint.timeout_seconds",
    "endpoint.backoff_seconds",
    "fetch.mirror",  # a folder; what lies in it is named and digested under fetch.sources
    "train.batch_size",  # with gradient_accumulation_steps: rows_per_step is locked in their place
    "train.gradient_accumulation_steps",
    "train.checkpointing",
    "train.attention",
    "train.compile",
    "train.liger",
)


class Lock(ConfigSection):
    """What was decided before a study was run.

    Attributes:
        claims: digest of all claims, :func:`cocktail.claims.study_lock.claims_digest`.
        rule: number of the rule of verdicts.
        params: digest of ``settings``, the locked params; what is at its default is absent.
        pilots: what was looked at before, on dev or test.
        commit, date: HEAD and day when it was made.
    """

    study: str
    claims: Digest
    rule: Positive
    params: Digest
    settings: dict[str, Any]
    pilots: list[str]
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40,64}$")]
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]

    def departures(self, params: Params, *, claims: str, rule: int) -> list[str]:
        """Return in what a study is not the one that was locked, one line each."""
        found = [] if self.study == record_name(params) else [f"the lock is of study {self.study}"]
        found += ["claims changed"] if self.claims != claims else []
        found += [f"rule changed: {self.rule} → {rule}"] if self.rule != rule else []
        changed = list(differences(locked_params(params), self.settings))
        if changed:
            more = f"; and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
            found.append(f"params changed: {'; '.join(changed[:SHOWN])}{more}")
        return found


def locked_params(params: Params) -> dict[str, Any]:
    """Return the params that decide results; a default is absent, so that a new option unlocks nothing."""
    found = params.model_dump(mode="json", exclude_defaults=True)
    for key in FREE:
        section, _, name = key.partition(".")
        if name:
            found[section].pop(name, None)
        else:
            del found[section]
    found["train"]["rows_per_step"] = params.train.batch_size * params.train.gradient_accumulation_steps
    return found


def lock_path(locks: Path, params: Params) -> Path:
    """Return where the study's lock is; it need not exist."""
    return locks / f"{record_name(params)}.json"


def read_lock(path: Path) -> Lock:
    """Read and check a lock.

    Raises:
        RecordError: it is no lock, or was changed by hand.
    """
    fix = f"git checkout -- {path}; or delete it, then cocktail lock"
    try:
        lock = Lock.model_validate(read_json(path))
    except RecordError as error:
        raise RecordError(f"a broken lock: {error.what}", where=str(path), fix=fix) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "it"
        raise RecordError(f"a broken lock ({place}: {first['msg']})", where=str(path), fix=fix) from None
    if digest_value(lock.settings) != lock.params:
        raise RecordError("the settings of a lock were changed", where=str(path), fix=fix)
    return lock


def present_lock(locks: Path, params: Params) -> str:
    """Return the digest of the study's lock, or "" if it has none: what explore and confirm note.

    Whether the lock fits is not asked: claims, rule and params may change later, and the lock with them.
    Stage ``analyze`` asks, of the very file that is noted.

    Raises:
        RecordError: the lock is broken.
    """
    path = lock_path(locks, params)
    if not path.is_file():
        return ""
    read_lock(path)
    return digest_file(path)


def lock_state(locks: Path, answers: Path, params: Params, *, claims: str, rule: int) -> LockState:
    """Return whether the study in params is locked.

    Args:
        locks: the folder of locks.
        answers: the answers of all models, by model and stage.
        claims: digest of the claims as they are.
        rule: number of the rule in use.

    Raises:
        RecordError: the lock is broken, or a stage has not run.
    """
    path = lock_path(locks, params)
    if not path.is_file():
        return LockState()
    lock, digest = read_lock(path), digest_file(path)
    reasons = lock.departures(params, claims=claims, rule=rule) or list(_unnoted(answers, params, digest))
    return LockState(
        "not locked" if reasons else "locked", "; ".join(reasons), digest, lock.commit, lock.date
    )


def _unnoted(answers: Path, params: Params, digest: str) -> Iterator[str]:
    """The stages that ran without this lock."""
    noted: Mapping[str, str] = {
        f"{stage} {model}": read_json(answers / model / stage / "index.json").get("lock", "")
        for model in params.models
        for stage in STAGES
    }
    before = [name for name, found in noted.items() if not found]
    other = [name for name, found in noted.items() if found not in ("", digest)]
    if before:
        yield f"made after the runs: {', '.join(before)}"
    if other:
        yield f"another lock was there when these ran: {', '.join(other)}"
