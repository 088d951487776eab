"""What verdicts rest on, beside each of them: tier of the study, rule, and whether it was locked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cocktail.config import Tier

RULE = 1  # of verdicts that are older than locks and tiers
TIER: Tier = "miniature"  # of the same: all were of miniatures


def tier_of(claims: Mapping[str, Any]) -> str:
    """Return the tier of the study; ``claims`` is the content of claims.json."""
    return str(claims.get("tier", TIER))


def rule_of(claims: Mapping[str, Any]) -> int:
    """Return the number of the rule that the verdicts were found by."""
    return int(claims.get("rule", RULE))


def lock_of(claims: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the state of the lock as claims.json has it: state, reason, digest, commit, date."""
    old = {"state": "not locked", "reason": "older than locks", "digest": "", "commit": "", "date": ""}
    return {**old, **claims.get("lock", {})}


def short_standing(claims: Mapping[str, Any]) -> str:
    """Return tier and state for a cell: ``paper, locked 2030-01-31``."""
    lock = lock_of(claims)
    day = f" {lock['date']}" if lock["state"] == "locked" else ""
    return f"{tier_of(claims)}, {lock['state']}{day}"


def standing_text(claims: Mapping[str, Any]) -> str:
    """Return the sentence beside verdicts of one study."""
    lock = lock_of(claims)
    told = f"not locked ({lock['reason']})"
    if lock["state"] == "locked":
        told = f"locked {lock['date']} at commit {lock['commit'][:12]}"
    return f"Tier {tier_of(claims)}; rule {rule_of(claims)}; {told}."
