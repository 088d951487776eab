"""What runs in CI is what was reviewed, with no more rights than it needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
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
