"""A dvc.lock that was cut anywhere is restored, and one that is whole is left alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cocktail.cli import main
from cocktail.files.dvc_lock import ASIDE, LOCK, RWLOCK, mend, put_aside
from cocktail.stage import run_stage

STAGE = """\
  {name}:
    cmd: python {name}.py
    deps:
    - path: {name}.py
      hash: md5
      md5: 0a371f0148bc931ce151542f826a9b3b
      size: 12
    params:
      params.yaml:
        {name}:
          seed: 42
    outs:
    - path: out/{name}
      hash: md5
      md5: 517c905f25d88c765f00acb665b07de9
      size: 99
"""
WHOLE = "schema: '2.0'\nstages:\n" + "".join(STAGE.format(name=name) for name in ("fetch", "mix", "page"))
OLDER = "schema: '2.0'\nstages:\n" + STAGE.format(name="fetch")
CUTS = [0, 1, 9, len("schema: '2.0'\nstages:\n"), 40, 60, 75, 100, 130, 200, 222, 330, 500, len(WHOLE) - 1]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with a .dvc in it, no git repository, as the current one."""
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    return tmp_path


def commit(lock: str) -> None:
    LOCK.write_text(lock)
    identity = ("-c", "user.name=n", "-c", "user.email=n@example.org")
    for command in (["init", "-q"], ["add", str(LOCK)], [*identity, "commit", "-qm", "a lock"]):
        subprocess.run(["git", *command], check=True)


def written(path: Path) -> tuple[int, int]:
    """Which file it is, and when it was written; reading it changes neither."""
    return path.stat().st_ino, path.stat().st_mtime_ns


def torn_files() -> list[Path]:
    return sorted(ASIDE.parent.glob("torn-*.lock"))


@pytest.mark.parametrize("cut", CUTS)
def test_a_lock_cut_anywhere_is_the_copy_put_aside_again(cut: int, project: Path) -> None:
    commit(OLDER)
    LOCK.write_text(WHOLE)
    run_stage(lambda: LOCK.write_text(WHOLE[:cut]) and None)  # killed while DVC wrote, after the stage
    said = mend()
    assert LOCK.read_text() == WHOLE
    assert [path.read_text() for path in torn_files()] == [WHOLE[:cut]]
    assert str(torn_files()[0]) in said and "the copy that the last stage put aside" in said
    assert mend() == "dvc.lock is whole"


def test_without_a_copy_it_is_that_of_the_last_commit(project: Path) -> None:
    commit(OLDER)
    LOCK.write_text(WHOLE[:300])
    assert "restored from git's HEAD" in mend()
    assert LOCK.read_text() == OLDER


def test_a_copy_that_is_no_good_is_passed_over(project: Path) -> None:
    commit(OLDER)
    ASIDE.parent.mkdir(parents=True)
    ASIDE.write_text(WHOLE[:300])
    LOCK.write_text(WHOLE[:200])
    assert "restored from git's HEAD" in mend()


def test_without_copy_and_git_it_is_removed_and_that_is_said(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "conf").mkdir()
    LOCK.write_text(WHOLE[:200])
    monkeypatch.setattr(sys, "argv", ["cocktail", "mend"])
    main()
    assert not LOCK.exists()
    assert [path.read_text() for path in torn_files()] == [WHOLE[:200]]
    told = capsys.readouterr().out
    assert "is not whole" in told and str(torn_files()[0]) in told and "dvc.lock is removed" in told
    main()
    assert capsys.readouterr().out == "no dvc.lock here: nothing to mend\n"


@pytest.mark.parametrize("torn", [b"", b'{"write": {"data/raw": {"pi', b"\xff"])
def test_a_list_of_processes_that_is_not_whole_is_removed(torn: bytes, project: Path) -> None:
    LOCK.write_text(WHOLE)
    RWLOCK.parent.mkdir(parents=True, exist_ok=True)
    RWLOCK.write_bytes(torn)
    assert mend() == f"dvc.lock is whole; {RWLOCK} is not whole, and removed"
    assert not RWLOCK.exists()
    RWLOCK.write_text('{"read": {}}')
    assert mend() == "dvc.lock is whole" and RWLOCK.exists()


def test_without_a_git_binary_nothing_breaks(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    LOCK.write_text(WHOLE[:200])
    monkeypatch.setenv("PATH", "")
    assert "is removed" in mend()


def test_a_whole_lock_is_not_touched(project: Path) -> None:
    LOCK.write_text(WHOLE)
    before = written(LOCK)
    assert mend() == "dvc.lock is whole"
    assert written(LOCK) == before
    assert not ASIDE.parent.exists()


def test_a_torn_lock_never_takes_the_place_of_the_copy(project: Path) -> None:
    LOCK.write_text(WHOLE)
    put_aside()
    LOCK.write_text(WHOLE[: WHOLE.index("stages:") + 7])  # stages: and nothing in it
    put_aside()
    LOCK.write_bytes(b"\xff\xfe\x00")
    put_aside()
    assert ASIDE.read_text() == WHOLE


def test_the_copy_is_written_only_where_the_lock_has_changed(project: Path) -> None:
    LOCK.write_text(OLDER)
    put_aside()
    before = written(ASIDE)
    put_aside()
    assert written(ASIDE) == before
    LOCK.write_text(WHOLE)
    put_aside()
    assert ASIDE.read_text() == WHOLE


def test_outside_a_project_and_without_a_lock_a_stage_puts_nothing_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    LOCK.write_text(WHOLE)
    put_aside()
    assert [path.name for path in tmp_path.iterdir()] == ["dvc.lock"]
    LOCK.unlink()
    (tmp_path / ".dvc").mkdir()
    put_aside()
    assert list((tmp_path / ".dvc").iterdir()) == []


@pytest.mark.slow
def test_dvc_itself_reads_what_was_mended(project: Path) -> None:
    def dvc(*command: str) -> subprocess.CompletedProcess[str]:
        asked = [sys.executable, "-m", "dvc", *command]
        return subprocess.run(asked, capture_output=True, text=True, check=False)

    (project / ".dvc").rmdir()
    assert dvc("init", "--quiet", "--no-scm").returncode == 0
    stage = {"cmd": "echo a > a", "outs": [{"a": {"cache": False}}]}
    (project / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"make": stage}}))
    assert dvc("repro").returncode == 0
    put_aside()
    LOCK.write_bytes(LOCK.read_bytes().partition(b"    cmd")[0])
    assert "dvc.lock' validation failed" in dvc("status").stderr
    mend()
    status = dvc("status")
    assert status.returncode == 0 and "up to date" in status.stdout + status.stderr
