"""Stage base as a command, for one model, in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from data_params import make_params

STAGE = Path(__file__).parents[1] / "stages" / "base.py"


def run_base_stage(folder: Path, **model: Any) -> subprocess.CompletedProcess[str]:
    """Make the model ``tiny`` at <folder>/artifacts/bases/tiny, with the store at <folder>/store."""
    folder.mkdir(exist_ok=True)
    params = make_params(models={"tiny": model}).model_dump()
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    return subprocess.run(
        [
            *(sys.executable, str(STAGE), "--model", "tiny"),
            *("--bases", "bases", "--out", "artifacts/bases/tiny"),
        ],
        cwd=folder,
        env={**os.environ, "COCKTAIL_STORE": str(folder / "store")},
        capture_output=True,
        text=True,
        check=False,
    )
