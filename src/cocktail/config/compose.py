"""params.yaml as a composition of conf/: write it, and say where a params.yaml departs from its study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from cocktail.errors import ConfigError, near


def known_studies(conf: Path) -> list[str]:
    """Return the names of the studies in ``conf/study``."""
    return sorted(path.stem for path in (conf / "study").glob("*.yaml"))


def compose(conf: Path, study: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return the composition of one study, as ``dvc exp run -S study=<study>`` would write it.

    Raises:
        ConfigError: no such study, or Hydra refuses an override.
    """
    from hydra import compose as hydra_compose  # 0.3 s: only those who compose pay for it
    from hydra import initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    if study not in known_studies(conf):
        raise ConfigError(
            [f"no study {study!r}{near(study, known_studies(conf))}"], where=str(conf / "study")
        )
    try:
        with initialize_config_dir(str(conf.resolve()), version_base=None):
            composed = hydra_compose("config", overrides=[f"study={study}", *overrides])
            OmegaConf.resolve(composed)
    except (HydraException, OmegaConfBaseException) as error:
        reason = " ".join(str(error).split())
        raise ConfigError([reason], where=f"{conf} with {' '.join(overrides)}") from None
    plain: dict[str, Any] = yaml.safe_load(OmegaConf.to_yaml(composed))
    return plain


def write_params(path: Path, composed: Mapping[str, Any]) -> None:
    """Write a composition with the bytes that DVC's own composition gives it."""
    from omegaconf import OmegaConf

    from cocktail.files.records import fresh_file

    with fresh_file(path) as draft:
        draft.write_text(OmegaConf.to_yaml(OmegaConf.create(dict(composed))), encoding="utf-8")


def differences(mine: Any, theirs: Any, key: str = "") -> Iterator[str]:
    """Yield ``key: theirs → mine`` for every leaf in which two configurations differ; None is as absent."""
    if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
        for name in sorted({*mine, *theirs}):
            yield from differences(mine.get(name), theirs.get(name), f"{key}.{name}" if key else str(name))
    elif _of_sections(mine) and _of_sections(theirs) and len(mine) == len(theirs):
        for place, pair in enumerate(zip(mine, theirs, strict=True)):
            yield from differences(*pair, f"{key}.{place}")
    elif mine != theirs:
        yield f"{key}: {theirs} → {mine}"


def _of_sections(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, Mapping) for item in value)
