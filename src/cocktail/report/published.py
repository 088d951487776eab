"""Published numbers, typed by hand in data/reference/published.yaml, each with its source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError

from cocktail.config import ConfigSection
from cocktail.errors import DataError

NOT_AVAILABLE = "not available"


class Published(ConfigSection):
    """One published number, in points, with the place where it can be looked up."""

    task: str
    arm: Literal["base", "single", "chosen", "all"]
    model: str
    metric: str
    value: float = Field(ge=0, le=100)
    source: str = Field(min_length=10)


def read_published(path: Path) -> list[Published]:
    """Return the published numbers.

    Raises:
        DataError: the file is missing or a row lacks something, its source above all.
    """
    try:
        rows = yaml.safe_load(path.read_text(encoding="utf-8"))["rows"]
        return [Published.model_validate(row) for row in rows]
    except FileNotFoundError:
        raise DataError("the published numbers are missing", where=str(path)) from None
    except (yaml.YAMLError, KeyError, TypeError, ValidationError) as error:
        raise DataError(
            f"not a list of published numbers ({' '.join(str(error).split())})", where=str(path)
        ) from None


def published_cell(numbers: Sequence[Published], *, task: str, arm: str) -> str:
    """Return what was published for a task and arm, with the model's name, or "not available"."""
    found = [
        f"{one.value:.1f} ({one.model}, {one.metric})"
        for one in numbers
        if (one.task, one.arm) == (task, arm)
    ]
    return "; ".join(found) or NOT_AVAILABLE
