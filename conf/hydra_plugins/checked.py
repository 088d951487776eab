"""What ``dvc exp run`` composes is checked before DVC writes params.yaml; a refusal is one message.

DVC loads Hydra's plugins from the folder in .dvc/config (``hydra.plugins_path``) just before it composes.
Hydra has no kind of plugin that sees a whole composition, so its loader is wrapped, in DVC's process only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.errors import HydraException
from omegaconf import OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

CONF = Path(__file__).resolve().parents[1]
_load = ConfigLoaderImpl.load_configuration


def load_configuration(self: Any, config_name: Any, overrides: list[str], *args: Any, **more: Any) -> Any:
    """Compose, check, and hand on what was composed; a refusal is a ``DvcException``, which DVC prints."""
    from cocktail.config import check_params
    from cocktail.config.compose import refused
    from cocktail.data.grid import explore_runs
    from cocktail.errors import ConfigError

    try:
        try:
            composed = _load(self, config_name, overrides, *args, **more)
            plain = composed.copy()
            with open_dict(plain):
                plain.pop("hydra", None)
            raw = OmegaConf.to_container(plain, resolve=True)
        except (HydraException, OmegaConfBaseException) as error:
            ConfigLoaderImpl.load_configuration = _load  # the message composes once more
            raise refused(error, CONF, overrides) from None
        explore_runs(check_params(raw, where=f"conf with {' '.join(overrides)}"))
    except ConfigError as error:
        raise DvcException(f"{error}\n  params.yaml is as it was") from None
    return composed


ConfigLoaderImpl.load_configuration = load_configuration
