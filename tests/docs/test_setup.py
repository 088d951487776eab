"""What `make setup` installs is what was locked, file by file.

A download without .git, such as a zip of the repository, is enough to run the pipeline.
What runs in CI is what was reviewed, with no more rights than it needs.
CITATION.cff names this package at its version, and the paper; setup.py packs what init lays out.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
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


FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in FILES}
JOBS = [
    pytest.param(job, id=f"{name} {job_name}")
    for name, workflow in WORKFLOWS.items()
    for job_name, job in workflow["jobs"].items()
]


def uses(job: dict[str, Any], action: str) -> list[dict[str, Any]]:
    return [step for step in job["steps"] if step.get("uses", "").startswith(f"{action}@")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_action_is_a_commit_with_its_version_beside_it(path: Path) -> None:
    """A tag can be moved to other code."""
    lines = re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}  # v[\d.]+", line) for line in lines), lines


@pytest.mark.parametrize("job", JOBS)
def test_a_job_that_runs_the_changes_code_may_only_read(job: dict[str, Any]) -> None:
    own_code = bool(uses(job, "actions/checkout"))
    assert not own_code or job["permissions"] == {"contents": "read"}
    assert all(step["with"]["persist-credentials"] is False for step in uses(job, "actions/checkout"))
    assert own_code or "pip" not in str(job["steps"])


def test_rights_are_given_by_the_job() -> None:
    assert all(workflow["permissions"] == {} for workflow in WORKFLOWS.values())


def test_nothing_that_a_change_may_write_stands_in_a_script() -> None:
    """Titles, branches and texts of others enter a script as variables only."""
    for workflow in WORKFLOWS.values():
        for job in workflow["jobs"].values():
            assert not any("${{" in step.get("run", "") for step in job["steps"])


def test_every_python_that_the_package_promises_is_tested() -> None:
    versions = WORKFLOWS["test"]["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert versions == ["3.11", "3.12", "3.13"]
    assert 'requires-python = ">=3.11"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_known_faults_of_pinned_packages_are_looked_up() -> None:
    steps = WORKFLOWS["test"]["jobs"]["audit"]["steps"]
    (run,) = [step["run"] for step in steps if "pip-audit==" in step.get("run", "")]
    assert "--requirement requirements.lock" in run
    assert "--strict" in run  # else what the service does not know is passed over, with exit code 0


def test_no_package_is_installed_but_by_the_lock() -> None:
    """pip runs through make, or for this package alone."""
    for workflow in WORKFLOWS.values():
        for job in workflow["jobs"].values():
            lines = "\n".join(step.get("run", "") for step in job["steps"]).splitlines()
            installs = [line for line in lines if "pip install" in line]
            assert all(line.endswith(" --no-deps --no-build-isolation .") for line in installs), installs


CITATION: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_package_is_named_at_its_version() -> None:
    assert {"cff-version", "message", "title", "authors", "preferred-citation"} <= CITATION.keys()
    assert (CITATION["version"], CITATION["license"]) == (PROJECT["version"], PROJECT["license"])
    assert CITATION["title"].lower() == PROJECT["name"]


def test_the_paper_is_the_one_that_the_readme_names() -> None:
    paper = CITATION["preferred-citation"]
    title = paper["title"].replace(" ", "").replace("–", "-")
    assert title in "".join(README.split()).replace("–", "-")
    assert paper["url"].rpartition("/")[2] in README and paper["doi"].endswith(
        paper["url"].rpartition("/")[2]
    )
    (to_cite,) = (part for part in README.split("\n\n") if part.startswith("**To cite:**"))
    names = [" ".join(one["family-names"].split()) for one in paper["authors"]]
    assert [name for name in names if name not in " ".join(to_cite.split())] == []


def test_it_is_valid() -> None:
    reason = "cffconvert is not in the lock: pip install -e '.[citation]' in another environment"
    pytest.importorskip("cffconvert", reason=reason)
    from cffconvert import Citation

    Citation((ROOT / "CITATION.cff").read_text(encoding="utf-8")).validate()


def test_a_release_can_be_cut_from_the_changelog() -> None:
    heads = [
        line for line in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines() if line[:3] == "## "
    ]
    assert heads[0] == "## Unreleased" or heads[0].startswith(f"## {PROJECT['version']}")
