"""A base from a Hub over HTTP, with the Hub's own library: the same bytes each time, only what is used."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from hub_layout import KEPT, contents, write_model

from cocktail.files.records import read_json

COMMIT = "a" * 40
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
def hub(tmp_path: Path) -> Iterator[ThreadingHTTPServer]:
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
def test_two_fetches_give_the_same_bytes(hub: ThreadingHTTPServer, tmp_path: Path) -> None:
    for name in ("first", "second"):
        settings = {
            **{"HF_ENDPOINT": f"http://127.0.0.1:{hub.server_address[1]}", "HF_HUB_OFFLINE": "0"},
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
    assert set(hub.RequestHandlerClass.sent) == KEPT - {"base.json"}  # type: ignore[attr-defined]
