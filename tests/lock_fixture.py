"""A lock of a study as ``cocktail lock`` writes it, without git and without today."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from answers_fixture import CLAIMS

from cocktail.claims.schema import read_claims
from cocktail.claims.study_lock import claims_digest
from cocktail.claims.verdict import RULES
from cocktail.config import Params, record_name
from cocktail.files.records import digest_file, digest_value, write_json
from cocktail.runs.lock import lock_path, locked_params

COMMIT, DATE = "c" * 40, "2030-01-31"


def write_lock(locks: Path, params: Params, **changes: Any) -> str:
    """Write the lock of a study on the claims of the repository; return its digest."""
    settings = locked_params(params)
    facts = {
        "study": record_name(params),
        "claims": claims_digest(read_claims(CLAIMS)),
        "rule": max(RULES),
        "params": digest_value(settings),
        "settings": settings,
        "pilots": [],
        "commit": COMMIT,
        "date": DATE,
    }
    path = lock_path(locks, params)
    write_json(path, {**facts, **changes})
    return digest_file(path)
