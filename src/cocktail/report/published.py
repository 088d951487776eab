"""Published numbers, typed by hand in data/reference/published.yaml, each with its source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from cocktail.config import ConfigSection
from cocktail.config.yaml_file import read_yaml
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
        ConfigError: the file is missing, or is not YAML.
        DataError: a row lacks something, its source above all.
    """
    found = read_yaml(path, missing="the published numbers are missing")
    try:
        return [Published.model_validate(row) for row in found["rows"]]
    except (KeyError, TypeError, ValidationError) as error:
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
