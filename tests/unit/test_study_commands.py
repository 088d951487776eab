"""``cocktail init``: what is laid out, and what it refuses.

``cocktail watch`` reads how far a study is, and says what a stage waits for.
``cocktail fsck`` finds what rotted, names it, and puts it aside so that it is made again.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from clone import ROOT

import cocktail
from cocktail import cli
from cocktail.config import Params, check_params, load_params
from cocktail.config.compose import compose
from cocktail.errors import CocktailError, ConfigError, RecordError, RunError
from cocktail.files.records import list_digests, write_json
from cocktail.files.store import Store
from cocktail.inference.endpoint.chat import EndpointQuestion, Reply
from cocktail.inference.endpoint.replies import Replies
from cocktail.studies import lay_out as module
from cocktail.studies import watch
from cocktail.studies.fsck import fsck
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


@pytest.fixture(scope="module")
def params() -> Params:
    raw = compose(ROOT / "conf", "smoke")
    raw["execute"]["workers"] = 2
    return check_params(raw, where="smoke")


def finished(loss: float, seconds: float) -> Any:
    answered = SimpleNamespace(runtime={"seconds": {"answering": 6.0}})
    training = {"loss": [[1, 9.0], [2, loss]]}
    return SimpleNamespace(training=training, runtime={"seconds": {"training": seconds}}, answers=(answered,))


def made(root: Path) -> None:
    for name in ("data/prepared", "artifacts/mixtures", "artifacts/base/phi3_smoke"):
        (root / name).mkdir(parents=True)


def test_before_prepare_is_done_it_says_what_is_waited_for(tmp_path: Path, params: Params) -> None:
    lines = [progress.line() for progress in watch.look(tmp_path, params)]
    assert lines == [
        "explore phi3_smoke: waits for the stage that makes prepared",
        "confirm phi3_smoke: waits for choose, after explore",
    ]


def test_runs_loss_and_minutes_left(tmp_path: Path, params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path)
    done = [finished(1.5, 54.0), finished(0.25, 114.0)]
    monkeypatch.setattr(watch, "finished_runs", lambda runs, inputs: iter(done))
    explore, _ = watch.look(tmp_path, params)
    left = explore.planned - 2
    assert explore.line() == (
        f"explore phi3_smoke: 2 of {explore.planned} runs, loss 0.250, about "
        f"{math.ceil(left / 2) * 90 / 60:.0f} minutes of it left, or fewer"
    )


def test_a_stage_that_is_writing_is_no_error(
    tmp_path: Path, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise RunError("a file is not there yet")

    made(tmp_path)
    monkeypatch.setattr(watch, "finished_runs", broken)
    assert "waits for a stage before it (a file is not there yet)" in watch.look(tmp_path, params)[0].line()


def test_trainings_in_flight_show_step_and_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKTAIL_STORE", str(tmp_path))
    state = {"global_step": 20, "max_steps": 80, "log_history": [{"loss": 2.0}, {"loss": 0.5}]}
    folder = tmp_path / "checkpoints/ab/abcd/checkpoint-20"
    write_json(folder / "trainer_state.json", state)
    assert watch.in_flight() == ["  in training: step 20 of 80, loss 0.500"]
    (folder / "trainer_state.json").write_text("{", encoding="utf-8")
    assert watch.in_flight() == []


def test_the_command_looks_once(
    tmp_path: Path, params: Params, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COCKTAIL_STORE", str(tmp_path / "store"))
    (tmp_path / "conf").symlink_to(ROOT / "conf")
    (tmp_path / "params.yaml").write_text(
        (ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["cocktail", "watch", "--once"])
    cli.main()
    said = capsys.readouterr().out
    assert said.startswith("study ") and "waits for the stage that makes prepared" in said


KEY = "ab" + "0" * 62
QUESTION = EndpointQuestion("judge-1", (("user", "Is it?"),), 8)


def flip(path: Path) -> None:
    path.chmod(0o644)  # DVC's cache is read-only
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cached(root: Path, content: bytes) -> Path:
    name = hashlib.md5(content).hexdigest()
    path = root / ".dvc/cache/files/md5" / name[:2] / name[2:]
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one of each thing that is kept."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"mix": {"outs": ["artifacts/mixtures"]}}}))
    with Store(tmp_path / ".store").publish("answers", KEY) as folder:
        write_json(folder / "receipt.json", {"answered": 1})
    Replies(tmp_path / ".store").put(QUESTION.key, Reply("yes", 1, stopped=True))
    cached(tmp_path, b"what DVC has cached")
    write_json(tmp_path / "artifacts/mixtures/all.json", {"run": "all"})
    list_digests(tmp_path / "artifacts/mixtures")
    write_json(tmp_path / "reports/studies/tiny/manifest.json", {"study": "tiny"})
    return tmp_path


def found(root: Path, *, mend: bool = False) -> str:
    return fsck(Path(), root / ".store", mend=mend)


def test_what_is_sound_is_counted(kept: Path) -> None:
    kinds = ("store: answers", "store: replies", "DVC's cache", "outputs", "records")
    assert found(kept).splitlines() == [f"{kind}: 1 of 1 sound" for kind in kinds]


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        (".store/answers/ab/*/receipt.json", "store: answers"),
        (".store/replies/*/*.json", "store: replies"),
        (".dvc/cache/files/md5/*/*", "DVC's cache"),
        ("artifacts/mixtures/all.json", "outputs"),
        ("artifacts/mixtures/digests.json", "outputs"),
    ],
)
def test_what_rotted_is_named_and_put_aside(place: str, kind: str, kept: Path) -> None:
    (path,) = kept.glob(place)
    flip(path)
    rotten = path.read_bytes()
    with pytest.raises(RecordError) as caught:
        found(kept)
    assert f"{kind}: 0 of 1 sound" in caught.value.what and caught.value.fix == "cocktail fsck --mend"
    assert path.read_bytes() == rotten  # only told
    assert "put aside" in found(kept, mend=True)
    assert not path.exists()
    left = [file for file in kept.rglob("*") if file.is_file() and file.read_bytes() == rotten]
    assert len(left) == 1  # nothing is lost to whoever wants to know why
    assert "0 of" not in found(kept)


def test_a_file_that_is_gone_is_missed(kept: Path) -> None:
    (kept / "artifacts/mixtures/all.json").unlink()
    with pytest.raises(RecordError, match=r"all\.json is listed, but not there"):
        found(kept)


def test_a_broken_record_is_for_a_person_to_mend(kept: Path) -> None:
    path = kept / "reports/studies/tiny/manifest.json"
    path.write_text("{")
    for mend in (False, True):
        with pytest.raises(RecordError) as caught:
            found(kept, mend=mend)
        assert "records: 0 of 1 sound" in caught.value.what and "git checkout" in caught.value.fix
    assert path.read_text() == "{"


def test_outputs_of_an_older_version_are_told_apart(kept: Path) -> None:
    (kept / "artifacts/mixtures/digests.json").unlink()
    assert "outputs of an older version, without digests: 1 of 1" in found(kept)


@pytest.mark.slow
def test_rot_in_the_cache_is_made_again_and_never_becomes_data(tmp_path: Path) -> None:
    """The whole way with DVC itself: it takes rot for data; after fsck --mend the stage makes it anew."""
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1", "COCKTAIL_STORE": str(tmp_path / ".store")}

    def python(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    (tmp_path / "make.py").write_text(
        "from pathlib import Path\nfrom cocktail.files.records import list_digests, write_json\n"
        "write_json(Path('out/a.json'), {'right': 'x' * 99})\nlist_digests(Path('out'))\n"
    )
    stage = {"cmd": f"{sys.executable} make.py", "deps": ["make.py"], "outs": ["out"]}
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"make": stage}}))
    (tmp_path / "conf").mkdir()
    assert python("-m", "dvc", "init", "--quiet", "--no-scm").returncode == 0
    assert python("-m", "dvc", "repro").returncode == 0
    whole = (tmp_path / "out/a.json").read_bytes()
    (rotten,) = (
        path
        for path in (tmp_path / ".dvc/cache/files").rglob("*")
        if path.is_file() and path.read_bytes() == whole
    )
    flip(rotten)
    rotten.chmod(0o444)
    for file in (tmp_path / "out").iterdir():
        file.unlink()
    (tmp_path / "out").rmdir()
    assert python("-m", "dvc", "repro").returncode == 0
    assert (tmp_path / "out/a.json").read_bytes() != whole  # what DVC does
    reader = "import pathlib, cocktail.files.records as r; r.read_json(pathlib.Path('out/a.json'))"
    assert "not what was written" in python("-c", reader).stderr
    cocktail = ("-c", "from cocktail.cli import main; main()", "fsck", "--mend")
    told = python(*cocktail)
    assert "put aside" in told.stdout, told.stderr
    assert python("-m", "dvc", "repro").returncode == 0
    assert (tmp_path / "out/a.json").read_bytes() == whole
    assert python("-c", reader).returncode == 0
