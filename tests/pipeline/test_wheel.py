"""The wheel alone lays out a study that runs: no file of the repository is near."""

from __future__ import annotations

import os
import site
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from clone import ROOT, copy_work_tree


class Alone:
    """An environment with the wheel and, by a .pth file, the libraries of this one; not its cocktail."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bin = folder, folder / "venv/bin"

    def run(self, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        settings = {**os.environ, "PATH": path, "HF_HUB_OFFLINE": "1", "DVC_NO_ANALYTICS": "1"}
        settings |= {
            "COCKTAIL_STORE": str(self.folder / "store"),
            "GIT_CEILING_DIRECTORIES": str(self.folder),
        }
        settings.pop("PYTHONPATH", None)
        return subprocess.run(command, cwd=cwd, env=settings, capture_output=True, text=True, check=False)

    def done(self, *command: str, cwd: Path) -> str:
        ran = self.run(*command, cwd=cwd)
        assert ran.returncode == 0, f"{command}\n{ran.stdout[-3000:]}\n{ran.stderr[-3000:]}"
        return ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Alone:
    folder = tmp_path_factory.mktemp("alone")
    tree = copy_work_tree(folder / "tree").root
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-index", "--quiet"]
    venv, wheels = folder / "venv", folder / "wheels"
    commands = [
        [*pip, "wheel", *options, "--no-build-isolation", "--wheel-dir", str(wheels), str(tree)],
        [sys.executable, "-m", "venv", "--without-pip", str(venv)],
    ]
    for command in commands:
        subprocess.run(command, check=True, capture_output=True)
    (wheel,) = wheels.iterdir()
    subprocess.run([*pip, "--python", str(venv), "install", *options, str(wheel)], check=True)
    (packages,) = venv.glob("lib/python*/site-packages")
    libraries = [*site.getsitepackages(), *(path for path in sys.path if path.endswith("site-packages"))]
    (packages / "libraries.pth").write_text("\n".join(dict.fromkeys(libraries)), encoding="utf-8")
    return Alone(folder)


@pytest.fixture(scope="module")
def study(alone: Alone) -> Path:
    """Study smoke, laid out by the wheel."""
    alone.done("cocktail", "init", "study", "--study", "smoke", cwd=alone.folder)
    return alone.folder / "study"


def test_help_needs_no_study(alone: Alone, tmp_path: Path) -> None:
    assert "init" in alone.done("cocktail", "--help", cwd=tmp_path)
    where = alone.done("python", "-c", "import cocktail; print(cocktail.__file__)", cwd=tmp_path)
    assert where.startswith(str(alone.bin.parent))


def test_stages_run_in_a_study_that_was_laid_out(alone: Alone, study: Path) -> None:
    alone.done("python", "-m", "dvc", "repro", "fetch", "prepare", "mix", cwd=study)
    assert (study / "artifacts/mixtures/index.json").is_file()
    assert "up to date" in alone.done("python", "-m", "dvc", "repro", "mix", cwd=study)
    (study / "package.txt").write_text("cocktail 99\n", encoding="utf-8")
    assert "fetch" in alone.done("python", "-m", "dvc", "status", cwd=study), "a new version is a new stage"


def test_other_commands_work_there(alone: Alone, study: Path) -> None:
    alone.done("cocktail", "params", "tiny", cwd=study)
    assert yaml.safe_load((study / "params.yaml").read_text(encoding="utf-8"))["study"]["name"] == "tiny"
    assert (study / "params.yaml").read_bytes() == (ROOT / "params.yaml").read_bytes()
    told = alone.done("git", "status", "--porcelain", "--untracked-files=all", cwd=study)
    assert "artifacts" not in told and ".store" not in told and "?? dvc.yaml" in told
