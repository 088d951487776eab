"""What ``dvc exp run`` composes is checked before DVC writes params.yaml; a refusal is one message.

DVC loads Hydra's plugins from the folder in .dvc/config (``hydra.plugins_path``) just before it composes.
Hydra has no kind of plugin that sees a whole composition, so its loader is wrapped, in DVC's process only.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
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
    from cocktail.claims.arms import warning
    from cocktail.claims.schema import read_claims
    from cocktail.config import check_params
    from cocktail.config.compose import compact_yaml, refused
    from cocktail.data.grid import explore_runs
    from cocktail.errors import ConfigError

    _check_python()
    compact_yaml()
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
        params = check_params(raw, where=f"conf with {' '.join(overrides)}", root=CONF.parent)
        explore_runs(params)
        if said := warning(read_claims(CONF.parent / "data/reference/claims.yaml"), params):
            print(said, file=sys.stderr)
        _tell_cost(params.study.name, overrides)
    except ConfigError as error:
        raise DvcException(f"{error}\n  params.yaml is as it was") from None
    return composed


def _check_python() -> None:
    """Stages begin with ``python``, by the PATH; it must be the one that DVC runs in.

    Raises:
        DvcException: it is another, or there is none.
    """
    found = shutil.which("python") or ""
    try:
        ask = [found, "-c", "import sys; print(sys.prefix)"]
        prefix = subprocess.run(ask, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:  # there is none, or it cannot be run
        prefix = ""
    if not prefix or Path(prefix).resolve() != Path(sys.prefix).resolve():
        activate = Path(sys.prefix) / "bin/activate"
        mend = f"source {activate}" if activate.is_file() else f"put {sys.prefix}/bin first in PATH"
        raise DvcException(
            f"stages are started as `python`, which is {found or 'nothing'} here, not that of {sys.prefix}\n"
            f"  to mend it: {mend}"
        )


def _tell_cost(study: str, overrides: list[str]) -> None:
    """Print runs, tokens and minutes before anything starts; what cannot be known is no reason to stop."""
    from hydra.core.global_hydra import GlobalHydra

    from cocktail.errors import CocktailError
    from cocktail.studies.planning.here import estimate
    from cocktail.studies.planning.study import plan_study

    held = GlobalHydra.instance().hydra
    ConfigLoaderImpl.load_configuration = _load
    GlobalHydra.instance().clear()
    try:
        others = [one for one in overrides if not one.startswith("study=")]
        print(estimate(plan_study(CONF, study, others, root=CONF.parent), CONF.parent), file=sys.stderr)
    except CocktailError as error:
        print(f"the cost is not known before it is run: {error.what}", file=sys.stderr)
    except (LookupError, ValueError, OSError) as error:  # an estimate that fails must not stop a run
        print(f"the cost is not known before it is run ({type(error).__name__}: {error})", file=sys.stderr)
    finally:
        ConfigLoaderImpl.load_configuration = load_configuration
        GlobalHydra.instance().clear()
        if held is not None:
            GlobalHydra.instance().initialize(held)


ConfigLoaderImpl.load_configuration = load_configuration
