"""The claims' part of a study's lock: their digest, and whether the study of some answers is locked."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cocktail.claims.schema import Claim, read_claims
from cocktail.claims.verdict import RULES
from cocktail.config import LockState, Params
from cocktail.files.records import digest_value
from cocktail.runs.lock import lock_state


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
