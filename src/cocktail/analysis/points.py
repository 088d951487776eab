"""Shares as points, as every file of results has them."""

from __future__ import annotations


def points(share: float, *, digits: int = 4) -> float:
    """Return 100 times a share, rounded."""
    return round(100 * share, digits)
