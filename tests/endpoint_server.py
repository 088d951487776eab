"""A server on loopback that speaks the chat-completions protocol, well or badly, for tests of the client."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-very-secret-0123456789"


@dataclass(frozen=True)
class Said:
    """One response: what is sent, when, and how."""

    status: int = 200
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    wait: float = 0.0  # seconds before anything is sent
    stall: float = 0.0  # seconds between headers and body
    drip: str = ""  # "headers" or "body": sent byte by byte, without end
    flood: bool = False  # a body without end, as fast as it goes


def completion(content: Any = "positive", *, finish: Any = "stop", **message: Any) -> Said:
    """A chat completion as servers send it, with fields that nobody reads."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": content, **message},
        "finish_reason": finish,
    }
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    return Said(
        body=json.dumps({"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage})
    )


Script = Callable[[dict[str, Any], int], Said]
"""From a request's body, and how many came before it, to what is said."""


@dataclass
class FakeEndpoint:
    """A running server: its base URL and everything that it was sent."""

    url: str
    bodies: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    most_at_once: int = 0


@contextmanager
def serve(script: Script) -> Iterator[FakeEndpoint]:
    """Answer POSTs as ``script`` says until the block ends."""
    lock, now = threading.Lock(), 0

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            nonlocal now
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                count = len(seen.bodies)
                seen.bodies.append(body)
                seen.paths.append(self.path)
                seen.types.append(self.headers.get("Content-Type", ""))
                seen.keys.append(self.headers.get("Authorization", ""))
                now += 1
                seen.most_at_once = max(seen.most_at_once, now)
            said = script(body, count)
            time.sleep(said.wait)
            with lock:
                now -= 1
            self._send(said)

        def _send(self, said: Said) -> None:
            data = said.body.encode()
            try:
                if said.drip or said.flood:
                    self._send_without_end(said)
                self.send_response(said.status)
                for name, value in {"Content-Length": str(len(data)), **said.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.flush()
                time.sleep(said.stall)
                self.wfile.write(data)
            except OSError:  # the client has gone: what a time-out looks like from here
                self.close_connection = True

        def _send_without_end(self, said: Said) -> None:
            self.close_connection = True
            self.wfile.write(f"HTTP/1.1 {said.status} OK\r\nX-Padding: ".encode())
            if said.drip != "headers":
                self.wfile.write(b"x\r\nConnection: close\r\n\r\n")
            while True:
                self.wfile.write(b" " * (1 << 20 if said.flood else 1))
                self.wfile.flush()
                time.sleep(0.0 if said.flood else 0.05)

        def log_message(self, *_: Any) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    seen = FakeEndpoint(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)
