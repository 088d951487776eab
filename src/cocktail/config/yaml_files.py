"""YAML that people write, read in one way; and the catalogue of sources that params.yaml names.

What cannot be read is one clear line. ``fetch.catalogue: mirror`` stands for
``conf/catalogue/mirror.yaml``, which has the keys ``sources`` and ``world`` of section fetch: repositories,
files, licences, digests; what is generated. What params.yaml says of a source, or adds, wins over it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cocktail.errors import ConfigError, near

FOLDER = Path("conf/catalogue")
KEYS = ("world", "sources")


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


def with_catalogue(raw: Any, root: Path) -> Any:
    """Return a configuration in which the catalogue's entries stand in place of its name.

    Args:
        raw: params.yaml as parsed; where it names no catalogue it is returned as it is.
        root: the project's folder.

    Raises:
        ConfigError: there is no such catalogue, or it is none.
    """
    fetch = raw.get("fetch") if isinstance(raw, Mapping) else None
    if not isinstance(fetch, Mapping) or fetch.get("catalogue") is None:
        return raw
    said = {key: value for key, value in fetch.items() if key != "catalogue"}
    found = _read(root / FOLDER, fetch["catalogue"])
    return {**raw, "fetch": {**said, **{key: _merged(found[key], said.get(key)) for key in found}}}


def _read(folder: Path, name: Any) -> dict[str, Any]:
    path = folder / f"{name}.yaml"
    if not re.fullmatch(r"\w+", str(name)) or not path.is_file():
        known = sorted(one.stem for one in folder.glob("*.yaml"))
        raise ConfigError(
            [f"fetch.catalogue: no catalogue {name!r}{near(str(name), known)}"], where=str(folder)
        )
    found = read_yaml(path, missing="the catalogue is missing")
    if not isinstance(found, dict) or not found.keys() <= set(KEYS):
        raise ConfigError([f"a catalogue has the keys {' and '.join(KEYS)}, and no others"], where=str(path))
    return found


def _merged(found: Any, said: Any) -> Any:
    if isinstance(found, Mapping) and isinstance(said, Mapping):
        return {key: _merged(found.get(key), said.get(key)) for key in {**found, **said}}
    return found if said is None else said
