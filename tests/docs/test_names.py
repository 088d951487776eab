"""A model's name deletes nothing and runs nothing: DVC fills in names before our code can look."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
PRECIOUS = ("rows.csv", "clone/data/own/rows.csv", "clone/.store/runs/ab/weights")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that DVC knows; copied by each test."""
    folder = tmp_path_factory.mktemp("dvc")
    dvc(folder, "init", "--quiet", "--no-scm")
    return folder


@pytest.fixture
def clone(repository: Path, tmp_path: Path) -> Path:
    """A repository with the real dvc.yaml and things of value; without git, which would save some of them."""
    for name in PRECIOUS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("precious", encoding="utf-8")
    shutil.copyfile(ROOT / "dvc.yaml", tmp_path / "clone/dvc.yaml")
    shutil.copytree(ROOT / "stages", tmp_path / "clone/stages")
    for folder in ("data/bases", *(f"src/cocktail/{room}" for room in ("data", "sources", "training"))):
        (tmp_path / "clone" / folder).mkdir(parents=True)
    shutil.copytree(repository, tmp_path / "clone", dirs_exist_ok=True)
    return tmp_path / "clone"


def dvc(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["../../data/own", "../../.store", "../../..", "a/../../../.store"])
def test_a_name_that_leaves_its_folder_deletes_nothing(name: str, clone: Path) -> None:
    model = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["models"]["phi3_tiny"]
    (clone / "params.yaml").write_text(yaml.safe_dump({"models": {name: model}}), encoding="utf-8")
    ran = dvc(clone, "repro", "--single-item", f"base@{name}")
    said = ran.stdout + ran.stderr
    assert ran.returncode != 0 and "Traceback" not in said
    assert len([line for line in said.splitlines() if "ERROR" in line]) == 1, said
    assert all((clone.parent / one).is_file() for one in PRECIOUS)


def test_no_other_stage_of_a_model_comes_before_its_base() -> None:
    """They would empty their outputs first."""
    for name, stage in STAGES.items():
        needs = {"artifacts/base/${item.model}", "artifacts/answers/${item.model}/explore"}
        assert "matrix" not in stage or name == "base" or needs & set(stage["deps"]), name
    (out,) = STAGES["base"]["outs"]
    assert out == {"artifacts/base/${item.model}": {"persist": True}}


@pytest.mark.parametrize(
    "name", ["x; touch pwned", "$(touch pwned)", "`touch pwned`", "a'; touch pwned; '", "x\ntouch pwned\n"]
)
def test_a_name_runs_nothing_in_dvc(name: str, repository: Path, tmp_path: Path) -> None:
    shutil.copytree(repository, tmp_path, dirs_exist_ok=True)
    command = STAGES["base"]["cmd"].replace("python stages/base.py", "echo")
    stage = {"matrix": {"model": "${models}"}, "cmd": command}
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"base": stage}}), encoding="utf-8")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"models": {name: {"a": 1}}}), encoding="utf-8")
    ran = dvc(tmp_path, "repro")
    assert "base" in ran.stdout + ran.stderr
    assert not (tmp_path / "pwned").exists()
