"""``cocktail init``: what is laid out, and what it refuses."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from clone import ROOT

import cocktail
from cocktail import cli
from cocktail.config import load_params
from cocktail.errors import CocktailError, ConfigError
from cocktail.studies import lay_out as module
from cocktail.studies.lay_out import PACKAGE, lay_out, without_rooms


def test_every_stage_hangs_on_the_package_and_on_no_room(tmp_path: Path) -> None:
    files = lay_out(tmp_path / "study", study="smoke")
    assert load_params(tmp_path / "study/params.yaml").study.name == "smoke"
    assert all((tmp_path / "study" / path).is_file() for path in files)
    laid, ours = (
        yaml.safe_load((top / "dvc.yaml").read_text(encoding="utf-8")) for top in (tmp_path / "study", ROOT)
    )
    assert laid["plots"] == ours["plots"] and laid["stages"].keys() == ours["stages"].keys()
    for name, stage in ours["stages"].items():
        kept = [path for path in stage["deps"] if not path.startswith("src/")]
        assert laid["stages"][name] == {**stage, "deps": [kept[0], PACKAGE, *kept[1:]]}, name


def test_what_stages_read_is_there(tmp_path: Path) -> None:
    """Whatever is no output of a stage must have been laid out."""
    lay_out(tmp_path, study="tiny")
    stages = yaml.safe_load((tmp_path / "dvc.yaml").read_text(encoding="utf-8"))["stages"].values()
    outs = [next(iter(out)) if isinstance(out, dict) else out for stage in stages for out in stage["outs"]]
    outs += [next(iter(one)) for stage in stages for one in stage.get("metrics", ())]
    outs += ["artifacts/answers", "artifacts/base", "artifacts/selected"]  # folders of several outputs
    needed = {path for stage in stages for path in stage["deps"]} - set(outs)
    assert [path for path in needed if not (tmp_path / path).exists() and "${" not in path] == []


def test_a_folder_with_only_git_is_empty_and_no_second_repository_is_made(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    lay_out(tmp_path, study="smoke")
    lay_out(tmp_path / "inner", study="smoke")
    assert not (tmp_path / "inner/.git").exists()


def test_without_git_dvc_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    lay_out(tmp_path / "study", study="smoke")
    assert "no_scm = true" in (tmp_path / "study/.dvc/config.local").read_text(encoding="utf-8")


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(CocktailError, match=r"not empty: mine\.txt"):
        lay_out(tmp_path, study="smoke")
    with pytest.raises(CocktailError, match="this is a file"):
        lay_out(tmp_path / "mine.txt", study="smoke")
    with pytest.raises(ConfigError, match="did you mean 'smoke'"):
        lay_out(tmp_path / "new", study="smok")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_nothing_is_left_of_a_study_that_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_params", full)
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        with pytest.raises(OSError, match="No space"):
            lay_out(tmp_path / name, study="smoke")
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_package_without_the_files_says_where_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cocktail, "__file__", str(tmp_path / "lib/cocktail/__init__.py"))
    with pytest.raises(CocktailError, match="no files of a study") as caught:
        lay_out(tmp_path / "study", study="smoke")
    assert "make release" in caught.value.fix
    packed = tmp_path / "lib/cocktail/_study"
    shutil.copytree(ROOT / "conf", packed / "conf")
    (packed / "dvc.yaml").write_text("# a\nstages:\n  a: {deps: [stages/a.py]}\n", encoding="utf-8")
    assert Path("dvc.yaml") in lay_out(tmp_path / "study", study="smoke")


def test_rooms_go_wherever_a_line_breaks() -> None:
    text = (
        "# x\nstages:\n  a:\n    cmd: python stages/a.py --out b\n    deps: [\n      stages/a.py, data/raw,\n"
    )
    text += "      src/cocktail/data, src/cocktail/runs,\n    ]\n"
    (stage,) = yaml.safe_load(without_rooms(text))["stages"].values()
    assert stage == {"cmd": "python stages/a.py --out b", "deps": ["stages/a.py", PACKAGE, "data/raw"]}


def test_the_command_is_run_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["cocktail", "init", "study", "method=lora", "--study", "smoke"])
    cli.main()
    assert "README.md says what comes next" in capsys.readouterr().out
    assert load_params(Path("study/params.yaml")).train.method == "lora"
    monkeypatch.setattr(sys, "argv", ["cocktail", "verify"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2 and "cocktail init FOLDER" in capsys.readouterr().err
