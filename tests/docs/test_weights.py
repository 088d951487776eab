"""The weights of our own base are in the repository's own remote: a clone pulls them; no text goes there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from clone import Clone, copy_work_tree

from cocktail.execution.plan import check_base
from cocktail.records import read_json

ROOT = Path(__file__).parents[2]
WEIGHTS, BASE = ROOT / "data/weights", "artifacts/base/cocktail_base"
REAL = ("data/raw", "data/prepared", "data/corpus")
WITH_TEXT = (
    *REAL,
    "artifacts/answers/${item.model}/explore",
    "artifacts/answers/${item.model}/confirm",
    "artifacts/judge",
)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    made = copy_work_tree(tmp_path_factory.mktemp("weights"))
    made.done("cocktail", "params", "small")
    return made


def test_a_clone_pulls_the_base_of_the_recorded_study(clone: Clone) -> None:
    clone.done("dvc", "pull", "-r", "weights", "base@cocktail_base")
    check_base(clone.root / BASE)
    receipt = read_json(clone.root / BASE / "base.json")
    recorded = read_json(ROOT / "reports/studies/small/manifest.json")["digests"]["outputs"][BASE]
    lock = yaml.safe_load((ROOT / "dvc.lock").read_text(encoding="utf-8"))["stages"]["base@cocktail_base"]
    assert [out["md5"] for out in lock["outs"]] == [recorded]
    assert receipt["pretraining"]["held_out"]


def test_the_remote_holds_that_base_and_nothing_else(clone: Clone) -> None:
    """Every object is one of the base's files or their list, so no data went there by mistake."""
    clone.done("dvc", "pull", "-r", "weights", "base@cocktail_base")
    listed = subprocess.run(
        ["git", "ls-files", "data/weights"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    objects = {"".join(Path(name).parts[-2:]) for name in listed.stdout.split()}
    lock = yaml.safe_load((ROOT / "dvc.lock").read_text(encoding="utf-8"))["stages"]["base@cocktail_base"]
    folder = lock["outs"][0]["md5"]
    files = clone.done("dvc", "ls", "-R", "--dvc-only", ".", BASE).split()
    assert folder in objects
    assert len(objects) == 1 + len(files)
    assert sum(path.stat().st_size for path in WEIGHTS.rglob("*") if path.is_file()) < 30_000_000


def test_real_data_are_never_pushed() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    outs = [out for stage in stages.values() for out in stage["outs"] if isinstance(out, dict)]
    pushed = {path: options.get("push", True) for out in outs for path, options in out.items()}
    assert [pushed[path] for path in WITH_TEXT] == [False] * len(WITH_TEXT)
    listed = subprocess.run(["git", "ls-files", *REAL], cwd=ROOT, capture_output=True, text=True, check=True)
    assert listed.stdout == ""
