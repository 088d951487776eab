"""Fixtures of the unit tests."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """A small byte-level BPE tokenizer with our chat template."""
    from tiny_model import tiny_tokenizer  # imports torch: only tests that ask for it pay

    return tiny_tokenizer()
