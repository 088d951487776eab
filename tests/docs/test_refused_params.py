"""``dvc exp run -S`` with a wrong name: one message with the nearest name, and params.yaml as it was."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
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
