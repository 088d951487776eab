"""What `make setup` installs is what was locked, file by file.

A download without .git, such as a zip of the repository, is enough to run the pipeline.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PIN = re.compile(r"^([a-z0-9-]+)==([\w.]+)( ; [^\\\n]+)?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", re.M)
PINS = [match[1] for match in PIN.finditer(LOCK)]
BUILT, BY_VERSION = "antlr4-python3-runtime", "torch"


def commands(*targets: str) -> list[str]:
    """What make would run, in an environment that is not there yet."""
    shown = ["make", "--dry-run", "--always-make", "VENV=no-such-folder", *targets]
    done = subprocess.run(shown, cwd=ROOT, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if "pip install" in line]


def taken(command: str) -> list[str]:
    """The pins that the first part of a pipe hands to pip."""
    done = subprocess.run(command.partition(" | ")[0], shell=True, cwd=ROOT, capture_output=True, text=True)
    return [match[1] for match in PIN.finditer(done.stdout)]


def test_every_line_of_the_lock_is_a_pin_with_digests() -> None:
    rest = PIN.sub("", LOCK)
    assert all(line.startswith("#") or not line for line in rest.splitlines()), rest
    assert len(PINS) > 150 and "://" not in LOCK and "--index" not in LOCK


def test_what_the_package_asks_for_is_in_the_lock() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = [re.sub(r"[-_.]+", "-", re.split(r"[<>=\[; ]", one)[0]).lower() for one in asked]
    assert set(names) <= set(PINS)


def test_every_package_is_installed_by_digest_but_torch() -> None:
    wheels, built, torch, ours = commands("setup")
    assert all("--require-hashes --no-deps" in command for command in (wheels, built))
    assert all("--only-binary :all:" in command for command in (wheels, torch))
    assert taken(wheels) == [name for name in PINS if name not in (BUILT, BY_VERSION)]
    assert taken(built) == [BUILT]
    assert BY_VERSION in torch and "--no-deps" in ours


def test_nothing_that_builds_is_fetched_beside_the_lock() -> None:
    """pip takes what builds a package from the index, whatever the digests say, but for this option."""
    _, built, _, ours = commands("setup")
    assert all("--no-build-isolation" in command for command in (built, ours))
    assert "setuptools" in PINS


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
