"""Fixtures of the unit tests."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from cocktail.training import environment


@pytest.fixture(scope="session", autouse=True)
def versions_are_read_once() -> Iterator[None]:
    """Keys of runs hold ten versions of packages, each read from a file; none is installed meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "version", cache(environment.version))
        yield


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """A small byte-level BPE tokenizer with our chat template."""
    from tiny_model import tiny_tokenizer  # imports torch: only tests that ask for it pay

    return tiny_tokenizer()
