"""A study's lock, as far as claims go into it: ``cocktail lock`` writes it, and stages ask whether it holds.

It is committed before the first run is made. What else stands in it: :mod:`cocktail.runs.lock`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cocktail.claims.schema import Claim, read_claims
from cocktail.claims.verdict import RULES
from cocktail.config import LockState, Params, record_name
from cocktail.errors import RecordError
from cocktail.files.git import ask_git
from cocktail.files.records import digest_value, write_json
from cocktail.runs.lock import Lock, lock_state, locked_params, read_lock


def claims_digest(claims: Iterable[Claim]) -> str:
    """Return the digest of claims in canonical form: comments, layout and the order of claims do not matter.

    What is at its default is absent, so that a new key of a claim changes no digest.
    """
    canonical = [claim.model_dump(mode="json", exclude_defaults=True) for claim in claims]
    return digest_value(sorted(canonical, key=lambda claim: str(claim["id"])))


def study_lock(locks: Path, answers: Path, claims: Path, *, params: Params) -> LockState:
    """Return whether the study in params is locked, with claims.yaml and the rule as they are.

    Raises:
        ConfigError: claims.yaml is missing or wrong.
        RecordError: the lock is broken, or a stage has not run.
    """
    return lock_state(locks, answers, params, claims=claims_digest(read_claims(claims)), rule=max(RULES))


def lock_study(
    root: Path, params: Params, *, claims: Path, out: Path, pilots: Sequence[str], renew: bool
) -> str:
    """Write the lock of the study in params to ``out``; return what was done, in a sentence.

    A lock that says the same already is left as it is. A renewed one keeps the pilots of the old: what was
    looked at stays looked at.

    Args:
        root: the clone.
        claims: claims.yaml, below ``root``.
        pilots: what was looked at before, on dev or test.
        renew: whether a lock with other content is replaced.

    Raises:
        RecordError: claims.yaml is not as it was committed, or the lock is there with other content.
    """
    if ask_git(root, "status", "--porcelain", "--", str(claims.resolve())):
        raise RecordError(
            "claims are locked as they were committed, and these were changed since",
            where=str(claims),
            fix=f"git commit {claims}, then cocktail lock",
        )
    digest, rule, settings = claims_digest(read_claims(claims)), max(RULES), locked_params(params)
    old = read_lock(out) if out.is_file() else None
    if old:
        differs = old.departures(params, claims=digest, rule=rule)
        differs += [f"pilot not in the lock: {pilot}" for pilot in pilots if pilot not in old.pilots]
        if not differs:
            return f"{out} says the same already; it was left as it is"
        if not renew:
            raise RecordError(
                "the study is locked with other content:\n" + "\n".join(f"  - {line}" for line in differs),
                where=str(out),
                fix="cocktail lock --renew, if no run of the study was made",
            )
    lock = Lock(
        study=record_name(params),
        claims=digest,
        rule=rule,
        params=digest_value(settings),
        settings=settings,
        pilots=list(dict.fromkeys([*(old.pilots if old else []), *pilots])),
        commit=ask_git(root, "rev-parse", "HEAD"),
        date=datetime.now(UTC).date().isoformat(),
    )
    write_json(out, lock.model_dump())
    told = "commit it, and what cocktail readme renews, before dvc repro explore"
    return f"{out} is the lock of study {lock.study}; {told}"
