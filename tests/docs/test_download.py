"""A download without .git, such as a zip of the repository, is enough to run the pipeline."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def test_dvc_runs_where_there_is_no_git(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    shutil.copyfile(ROOT / ".dvc/config", tmp_path / ".dvc/config")
    stage = {"cmd": "echo a > a", "outs": [{"a": {"cache": False}}]}
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"make": stage}}), encoding="utf-8")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "GIT_CEILING_DIRECTORIES": str(tmp_path.parent),
    }

    def shell(line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    assert "not a git repository" in shell("dvc repro").stderr
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\nrepro:")[2].partition("\n\n")[0]
    (first,) = re.findall(r"^\t@?(git rev-parse.*)$", recipe, flags=re.MULTILINE)
    assert shell(first).returncode == 0
    done = shell("dvc repro")
    assert done.returncode == 0 and (tmp_path / "a").is_file(), done.stderr
