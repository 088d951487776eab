"""params.yaml as a composition of conf/: write it, and say where a params.yaml departs from its study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from cocktail.config.yaml_files import with_catalogue
from cocktail.errors import ConfigError, near, unknown

if TYPE_CHECKING:
    from cocktail.config.params import Params


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
        raise refused(error, conf, [f"study={study}", *overrides]) from None
    plain: dict[str, Any] = yaml.safe_load(OmegaConf.to_yaml(composed))
    return plain


def refused(error: Exception, conf: Path, overrides: Sequence[str]) -> ConfigError:
    """Return what a composition was refused for: the names that are not there, each with its nearest."""
    reasons = _unknown(conf, overrides) or [" ".join(str(error).split())]
    return ConfigError(reasons, where=f"{conf.name} with {' '.join(overrides)}")


def _unknown(conf: Path, overrides: Sequence[str]) -> list[str]:
    """The names in overrides that conf/ does not know; none where an override cannot even be parsed."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException
    from omegaconf import OmegaConf

    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException:
        return []
    options = {
        folder.name: sorted(path.stem for path in folder.glob("*.yaml"))
        for folder in conf.iterdir()
        if any(folder.glob("*.yaml"))
    }
    groups = [one for one in parsed if one.key_or_group in options]
    wrong: list[str] = []
    for one in groups:
        named = one.value() if isinstance(one.value(), list) else [one.value()]
        wrong += unknown(map(str, named), options[one.key_or_group], f"no {one.key_or_group}")
    if wrong:
        return wrong
    GlobalHydra.instance().clear()  # DVC may be within a composition; its context restores what was there
    with initialize_config_dir(str(conf.resolve()), version_base=None):
        composed = hydra_compose("config", overrides=[str(one.input_line) for one in groups])
    known = OmegaConf.to_container(composed)
    keys = [one.key_or_group for one in parsed if one.key_or_group not in options and not one.is_add()]
    return [line for key in keys for line in _unknown_part(key, known)]


def _unknown_part(key: str, known: Any) -> Iterator[str]:
    """The first part of a dotted key that is not there, if it has one."""
    parts = key.split(".")
    for place, part in enumerate(parts):
        if not isinstance(known, Mapping):
            return
        if part not in known:
            found = ".".join(parts[: place + 1])
            # An empty section takes what is added to it: sources and world are in the catalogue.
            yield f"{found}: unknown key{near(part, known)}" if known else f"{found}: not there yet; +{key}=…"
            return
        known = known[part]


def compact_yaml() -> None:
    """Have OmegaConf, and with it DVC, write lists of plain values and mappings of numbers in a line or two.

    People read params.yaml.
    """
    from omegaconf._utils import get_omega_conf_dumper  # what OmegaConf.to_yaml writes with; it has no option

    def of_list(dumper: yaml.Dumper, values: list[Any]) -> yaml.Node:
        plain = not any(isinstance(value, (dict, list)) for value in values)
        return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=plain)

    def of_mapping(dumper: yaml.Dumper, values: dict[str, Any]) -> yaml.Node:
        numbers = all(isinstance(value, (int, float)) for value in values.values())
        return dumper.represent_mapping("tag:yaml.org,2002:map", values, flow_style=numbers)

    get_omega_conf_dumper().add_representer(list, of_list)
    get_omega_conf_dumper().add_representer(dict, of_mapping)


def write_params(path: Path, composed: Mapping[str, Any]) -> None:
    """Write a composition with the bytes that DVC's own composition gives it."""
    from omegaconf import OmegaConf

    from cocktail.files.records import write_text

    compact_yaml()
    write_text(path, OmegaConf.to_yaml(OmegaConf.create(dict(composed))))


def departures(params: Params, conf: Path) -> list[str]:
    """Return in what a configuration is not the composition of the study that it names, one line each."""
    composed = with_catalogue(compose(conf, params.study.name), conf.parent)
    return list(differences(params.model_dump(), composed))


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
