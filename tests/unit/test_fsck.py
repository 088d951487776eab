"""`cocktail fsck` finds what rotted, names it, and puts it aside so that it is made again."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cocktail.errors import RecordError
from cocktail.files.records import list_digests, write_json
from cocktail.files.store import Store
from cocktail.inference.endpoint.chat import EndpointQuestion, Reply
from cocktail.inference.endpoint.replies import Replies
from cocktail.studies.fsck import fsck

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
