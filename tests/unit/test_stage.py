"""How a stage ends where the disk is full or closed or its input bad: exit code 2, one message, no trace."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from answers_fixture import CLAIMS, ROOT, study_params

from cocktail.files.room import check_room
from cocktail.stage import of_model, run_command, run_stage

Usage = namedtuple("Usage", "total used free")


class LibraryError(Exception):
    """As safetensors has one: no OSError."""


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a/b"), "the disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "a/b"), "the disk is full"),
        (LibraryError("I/O error: No space left on device (os error 28)"), "the disk is full"),
        (OSError(errno.EROFS, "Read-only file system", "a/b"), "Read-only file system"),
        (PermissionError(errno.EACCES, "Permission denied", "a/b"), "Permission denied"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "a/b"), "Not a directory"),
    ],
)
@pytest.mark.parametrize("run", [run_command, run_stage])
def test_a_disk_that_says_no_is_one_clear_message(
    run: Callable[[Callable[[], None]], None],
    error: Exception,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)

    def main() -> None:
        raise error

    with pytest.raises(SystemExit) as ended:
        run(main)
    said = capsys.readouterr().err
    assert ended.value.code == 2 and told in said and "to mend it: " in said
    assert "Traceback" not in said
    if isinstance(error, OSError):
        assert "where: a/b" in said


def test_another_fault_keeps_its_stack_trace() -> None:
    def main() -> None:
        raise LibraryError("of ours")

    with pytest.raises(LibraryError):
        run_command(main)


def test_a_model_takes_the_place_that_a_path_leaves_for_it() -> None:
    assert of_model(Path("artifacts/answers/MODEL/explore"), "tiny") == Path("artifacts/answers/tiny/explore")
    assert of_model(Path("artifacts/selected/MODEL.json"), "tiny") == Path("artifacts/selected/tiny.json")
    assert of_model(Path("/tmp/MODELS/a"), "tiny") == Path("/tmp/MODELS/a")


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stage base@tiny in a repository, with an output of 4 MB."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_STAGE", "base@tiny")
    outs = ["artifacts/base/${item.model}", {"reports/big.json": {"cache": False}}]
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": {"base": {"outs": outs}}}))
    for name, size in (("artifacts/base/tiny/model", 4_000_000), ("reports/big.json", 9_000_000)):
        Path(name).parent.mkdir(parents=True)
        Path(name).write_bytes(b"x" * size)
    Path(".dvc").mkdir()
    return tmp_path


def free(monkeypatch: pytest.MonkeyPatch, amount: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9 - amount, amount))


def test_no_room_in_dvcs_cache_is_a_failed_stage(
    stage: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """DVC itself says so, goes on, and ends with exit code 0."""
    free(monkeypatch, 6_000_000)
    run_stage(lambda: None)
    free(monkeypatch, 3_000_000)
    with pytest.raises(SystemExit) as ended:
        run_stage(lambda: None)
    said = capsys.readouterr().err
    assert ended.value.code == 2 and "DVC's cache needs 4.0 MB" in said and ".dvc/cache" in said


def test_what_is_cached_already_needs_no_room(stage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib

    free(monkeypatch, 0)
    name = hashlib.md5(b"x" * 4_000_000).hexdigest()
    Path(f".dvc/cache/files/md5/{name[:2]}").mkdir(parents=True)
    Path(f".dvc/cache/files/md5/{name[:2]}/{name[2:]}").touch()
    check_room()


def test_the_cache_is_where_dvc_has_it(stage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    Path(".dvc/config").write_text("[core]\n    analytics = false\n")
    Path(".dvc/config.local").write_text('[cache]\n    dir = ../elsewhere\n    type = "reflink,copy"\n')
    monkeypatch.setattr(shutil, "disk_usage", lambda path: asked.append(path) or Usage(10**9, 0, 10**9))
    check_room()
    assert [path.resolve() for path in asked] == [stage / "elsewhere"]


def test_outside_dvc_nothing_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_STAGE", raising=False)
    free(monkeypatch, 0)
    check_room()
    assert list(tmp_path.iterdir()) == []


def test_drafts_that_killed_processes_left_are_swept(stage: Path) -> None:
    """DVC does not see them, and nobody would ever take them away; drafts of others are left alone."""
    left = [
        Path("artifacts/base/.tiny.0123456789abcdef.tmp/model"),
        Path("reports/.big.json.0123456789abcdef.tmp"),
    ]
    others = [
        Path("artifacts/base/.other.0123456789abcdef.tmp/model"),
        Path("artifacts/base/.tiny.notes.tmp"),
        Path("reports/.big.json"),
    ]
    for path in (*left, *others):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    run_stage(lambda: None)
    assert not any(path.exists() for path in (*left, left[0].parent))
    assert all(path.exists() for path in others)
    assert Path("artifacts/base/tiny/model").is_file() and Path("reports/big.json").is_file()


CALLS = {
    "choose": [
        "--model",
        "phi3_smoke",
        "--prepared",
        "none",
        "--answers",
        "none",
        "--out",
        "out/selected.json",
    ],
    "analyze": [
        *("--prepared", "none", "--scores", "none", "--selected", "none"),
        *("--claims", str(CLAIMS), "--answers", "none", "--locks", "none", "--out", "out"),
    ],
    "report": [
        *("--reports", "none", "--raw", "none", "--prepared", "none", "--mixtures", "none"),
        *("--answers", "none", "--judge", "none", "--bases", "none"),
        *("--published", "none", "--configured", "none", "--out", "out"),
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("stage", CALLS)
def test_missing_input_is_one_message(stage: str, tmp_path: Path) -> None:
    text = yaml.safe_dump(study_params().model_dump())
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    script = ROOT / "stages" / f"{stage}.py"
    done = subprocess.run(
        [sys.executable, str(script), *CALLS[stage]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and "dvc repro" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_only_score_pays_for_evaluate() -> None:
    """Evaluate imports torch and takes five seconds; the other stages and `cocktail verify` start at once."""
    modules = ["analysis.selection", "analysis.study", "claims.evaluate", "report.study", "studies.record"]
    code = "import importlib, sys\n"
    code += f"for name in {modules}:\n"
    code += "    importlib.import_module(f'cocktail.{name}')\n"
    code += "    if not sys.modules.keys().isdisjoint(['evaluate', 'torch']): sys.exit(name)\n"
    ran = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
