"""YAML that people write, read in one way: what cannot be read is one clear line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from cocktail.errors import ConfigError


def read_yaml(path: Path, *, missing: str) -> Any:
    """Return what a file holds.

    Args:
        missing: what is said where there is no such file.

    Raises:
        ConfigError: the file is missing, or is not YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError([missing], where=str(path)) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: not UTF-8, 5,000 digits
        raise ConfigError([f"not YAML: {' '.join(str(error).split())}"], where=str(path)) from None
