"""A model from the Hub: fetched at one commit, only what is used, and no trace of the Hub's cache.

From a Hub over HTTP, with the Hub's own library: the same bytes each time, only what is used.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from hub_layout import KEPT, contents, make, refused, write_model
from huggingface_hub.errors import GatedRepoError, HTTPError, OfflineModeIsEnabled, RepositoryNotFoundError
from huggingface_hub.utils import filter_repo_objects

from cocktail.errors import SourceError
from cocktail.files.records import read_json
from cocktail.training.bases import folder as module

COMMIT = "a" * 40
NAMES = (
    *("config.json", "generation_config.json", "model.safetensors", "model-00001-of-00002.safetensors"),
    *("model.safetensors.index.json", "tokenizer.json", "tokenizer_config.json", "tokenizer.model"),
    *("chat_template.jinja", "special_tokens_map.json", "vocab.json", "merges.txt"),
)
UNWANTED = (
    "modeling_tiny.py",
    "pytorch_model.bin",
    "model.pt",
    "README.md",
    "original/consolidated.safetensors",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "models" / "tiny")


@pytest.fixture
def asked(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A Hub that has the model, and what is downloaded from it; files are links, as in the Hub's cache."""
    seen: list[dict[str, Any]] = []
    snapshot = tmp_path / "cache" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / ".cache").mkdir()
    for file in folder.iterdir():
        (snapshot / file.name).symlink_to(file)

    def download(repo: str, **given: Any) -> str:
        seen.append({"repo": repo, **given})
        return str(snapshot)

    monkeypatch.setattr(module.HfApi, "model_info", lambda *_, **__: SimpleNamespace(sha=COMMIT))
    monkeypatch.setattr(module, "snapshot_download", download)
    return seen


def fetch(out: Path, **changes: Any) -> Path:
    return make(out, kind="hub", repo="org/name", **changes)


def test_each_fetch_from_the_hub_gives_the_same_bytes(
    asked: list[dict[str, Any]], folder: Path, tmp_path: Path
) -> None:
    first, second = fetch(tmp_path / "first"), fetch(tmp_path / "second")
    assert contents(first) == contents(second)
    assert contents(first).keys() == KEPT
    assert not any(file.is_symlink() for file in first.iterdir())
    by_path = contents(make(tmp_path / "by_path", path=str(folder)))
    assert {**contents(first), "base.json": b""} == {**by_path, "base.json": b""}


@pytest.mark.parametrize("revision", [None, COMMIT])
def test_the_commit_found_is_fetched_and_recorded(
    revision: str | None, asked: list[dict[str, Any]], tmp_path: Path
) -> None:
    receipt = read_json(fetch(tmp_path / "out", revision=revision) / "base.json")
    assert (receipt["kind"], receipt["repo"]) == ("hub", "org/name")
    assert (receipt["revision"], receipt["pinned"]) == (COMMIT, revision is not None)
    assert [(call["repo"], call["revision"]) for call in asked] == [("org/name", COMMIT)]


def test_only_what_is_used_is_downloaded(asked: list[dict[str, Any]], tmp_path: Path) -> None:
    fetch(tmp_path / "out")
    patterns = {key: value for key, value in asked[0].items() if key.endswith("_patterns")}
    found: Iterable[str] = filter_repo_objects([*NAMES, *UNWANTED], **patterns)
    assert sorted(found) == sorted(NAMES)


RESPONSE: Any = SimpleNamespace(headers={}, request=None)
REFUSALS = {
    "offline": OfflineModeIsEnabled("the network is not used"),
    "no network": HTTPError("Name or service not known"),
    "no such model": RepositoryNotFoundError("the model is not known", response=RESPONSE),
    "gated": GatedRepoError("access is not granted", response=RESPONSE),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_what_the_hub_refuses_is_one_clear_error(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise REFUSALS[kind]

    monkeypatch.setattr(module.HfApi, "model_info", refuse)
    error = refused(tmp_path / "out", kind="hub", repo="org/name")
    assert isinstance(error, SourceError) and error.where == "org/name"
    if kind == "gated":
        assert "gated" in error.what and "HF_TOKEN" in error.fix
    else:
        assert str(REFUSALS[kind]).splitlines()[0] in error.what and "folder" in error.fix
    assert list((tmp_path / "out").iterdir()) == []


def test_a_model_on_the_hub_without_safetensors_is_refused(
    asked: list[dict[str, Any]], folder: Path, tmp_path: Path
) -> None:
    (folder / "model.safetensors").unlink()
    (tmp_path / "cache" / "snapshots" / COMMIT / "model.safetensors").unlink()
    error = refused(tmp_path / "out", kind="hub", repo="org/name")
    assert isinstance(error, SourceError) and "no safetensors" in error.what


MAKE = """
import sys
from pathlib import Path
sys.path.insert(0, "tests")
from hub_layout import make
make(Path(sys.argv[1]), kind="hub", repo="org/m")
"""


class Hub(BaseHTTPRequestHandler):
    """One model; a file that it lacks is sent all the same, as long as its name is listed."""

    folder: Path
    names: list[str]
    sent: list[str]

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        path, listed = self.path.partition("?")[0], {}
        if "/tree/" in path:
            content = json.dumps([{"type": "file", "path": n, "size": 1, "oid": "x"} for n in self.names])
            data = content.encode()
        elif path.startswith("/api/models/org/m"):
            siblings = [{"rfilename": name} for name in self.names]
            data = json.dumps({"id": "org/m", "sha": COMMIT, "siblings": siblings, "tags": []}).encode()
        else:
            name = path.partition(f"/resolve/{COMMIT}/")[2]
            file = self.folder / name
            data = file.read_bytes() if file.is_file() else b"x"
            listed = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": COMMIT}
            self.sent += [name] if body else []
        self.send_response(200)
        for key, value in {**listed, "Content-Length": str(len(data))}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub_server(tmp_path: Path) -> Iterator[ThreadingHTTPServer]:
    folder = write_model(tmp_path / "model")
    (folder / "modeling_tiny.py").write_text("raise SystemExit('remote code ran')", encoding="utf-8")
    names = [*(path.name for path in folder.iterdir()), "original/consolidated.safetensors"]
    handler = type("OneHub", (Hub,), {"folder": folder, "names": names, "sent": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_two_fetches_give_the_same_bytes(hub_server: ThreadingHTTPServer, tmp_path: Path) -> None:
    for name in ("first", "second"):
        settings = {
            **{"HF_ENDPOINT": f"http://127.0.0.1:{hub_server.server_address[1]}", "HF_HUB_OFFLINE": "0"},
            **{"HF_HOME": str(tmp_path / f"home {name}"), "HF_HUB_DISABLE_TELEMETRY": "1", "HF_TOKEN": ""},
        }
        done = subprocess.run(
            [sys.executable, "-c", MAKE, str(tmp_path / name)],
            **{"cwd": Path(__file__).parents[2], "env": {**os.environ, **settings}},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-2000:]
    first = contents(tmp_path / "first")
    assert first == contents(tmp_path / "second")
    assert first.keys() == KEPT
    assert read_json(tmp_path / "first/base.json")["revision"] == COMMIT
    assert set(hub_server.RequestHandlerClass.sent) == KEPT - {"base.json"}  # type: ignore[attr-defined]
