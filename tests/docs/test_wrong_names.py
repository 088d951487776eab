"""``dvc exp run -S`` with a wrong name: one message with the nearest name, and params.yaml as it was.

A model's name deletes nothing and runs nothing: DVC fills in names before our code can look.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from clone import Clone, copy_work_tree


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    return copy_work_tree(tmp_path_factory.mktemp("refused"))


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("train.learning_rat=1", "train.learning_rat: unknown key; did you mean 'learning_rate'?"),
        ("study=smol", "no study 'smol'; did you mean"),
        ("study.targets=[fbp]", "target 'fbp' is not trained and evaluated here; did you mean 'fpb'?"),
        ("+train.learning_rat=1", "train.learning_rat: unknown key; did you mean 'learning_rate'?"),
        ("study.include=[singel]", "study.include: no kind or run 'singel'; did you mean"),
    ],
)
def test_a_refused_override_is_one_message_and_changes_nothing(
    clone: Clone, override: str, told: str
) -> None:
    before = (clone.root / "params.yaml").read_bytes()
    result = clone.run("dvc", "exp", "run", "--dry", "-S", override)
    said = result.stdout + result.stderr
    assert result.returncode != 0
    assert told in said
    assert "Hit us up" not in said and "use +" not in said and "Traceback" not in said
    assert (clone.root / "params.yaml").read_bytes() == before
    clone.done("git", "diff", "--exit-code", "params.yaml")


def test_the_cost_is_said_before_anything_starts(clone: Clone) -> None:
    """A dry run ends where there are no data yet; the cost was said by then."""
    result = clone.run("dvc", "exp", "run", "--dry", "-S", "study=smoke", "-S", "mix.caps.fpb=20")
    assert re.search(
        r"^study smoke: up to \d+ runs, [\d.]+ M tokens, about \d+ minutes on .*; [\d.]+ GB of disk$",
        result.stderr,
        re.MULTILINE,
    )
    assert re.search(r"^\d+ claims .* tasks; `cocktail plan smoke` says why$", result.stderr, re.MULTILINE)


def test_stages_that_would_run_in_another_python_are_refused(clone: Clone, tmp_path: Path) -> None:
    """As where the environment was not activated, and DVC is called by its path."""
    other = tmp_path / "python"
    other.write_text("#!/bin/sh\necho /elsewhere\n", encoding="utf-8")
    other.chmod(0o755)
    environment = clone.environment() | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    command = [str(Path(sys.executable).parent / "dvc"), "exp", "run", "--dry", "-S", "study=smoke"]
    result = subprocess.run(command, cwd=clone.root, env=environment, capture_output=True, text=True)
    assert result.returncode != 0 and "Traceback" not in result.stderr
    assert f"stages are started as `python`, which is {other} here, not that of " in result.stderr
    assert re.search(r"to mend it: (source \S+/bin/activate|put \S+/bin first in PATH)$", result.stderr, re.M)
    clone.done("git", "diff", "--exit-code", "params.yaml")


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
def precious_clone(repository: Path, tmp_path: Path) -> Path:
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


def dvc(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["../../data/own", "../../.store", "../../..", "a/../../../.store"])
def test_a_name_that_leaves_its_folder_deletes_nothing(name: str, precious_clone: Path) -> None:
    model = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["models"]["phi3_tiny"]
    (precious_clone / "params.yaml").write_text(yaml.safe_dump({"models": {name: model}}), encoding="utf-8")
    ran = dvc(precious_clone, "repro", "--single-item", f"base@{name}")
    said = ran.stdout + ran.stderr
    assert ran.returncode != 0 and "Traceback" not in said
    assert len([line for line in said.splitlines() if "ERROR" in line]) == 1, said
    assert all((precious_clone.parent / one).is_file() for one in PRECIOUS)


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
