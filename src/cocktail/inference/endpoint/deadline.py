"""One deadline for a whole reply, and a cap on its size.

A library's time-out starts anew with every byte that comes: a server that drips is waited for without end.
Here the connection is shut when time is up, whatever it was at: sending, headers or body.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

MOST_BYTES = 4 << 20  # of a reply: a chat completion has some kilobytes
PIECE = 1 << 16


class LateError(Exception):
    """The reply was not whole when time was up."""


class LongError(Exception):
    """The reply is longer than any chat completion."""


class _Watch(threading.local):
    """The connection that this thread uses now, for its deadline to shut."""

    def __init__(self) -> None:
        self.deadline: Deadline | None = None


_watch = _Watch()


class Deadline:
    """Shuts one connection when time is up."""

    def __init__(self) -> None:
        self.over = False
        self._twin: socket.socket | None = None
        self._lock = threading.Lock()

    def watch(self, connection: int) -> None:
        """Take the connection with this file number; a twin of it outlives what libraries do to theirs."""
        with self._lock:
            self._close()
            self._twin = socket.socket(fileno=os.dup(connection))
        if self.over:
            self.end()

    def end(self) -> None:
        """Shut the connection: whoever reads from it or writes to it comes back at once."""
        with self._lock:
            self.over = True
            if self._twin is not None:
                with suppress(OSError):
                    self._twin.shutdown(socket.SHUT_RDWR)

    def forget(self) -> None:
        """Let go of the connection, which may stay open for the next question."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._twin is not None:
            self._twin.close()
            self._twin = None


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Shut the connection that the block uses when ``seconds`` are over.

    Raises:
        LateError: the block was not done by then.
    """
    mine = _watch.deadline = Deadline()
    timer = threading.Timer(seconds, mine.end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception:
        if mine.over:
            raise LateError from None
        raise
    finally:
        timer.cancel()
        mine.forget()
        _watch.deadline = None
    if mine.over:
        raise LateError


def read_capped(response: urllib3.BaseHTTPResponse) -> bytes:
    """Return the body of a response, unpacked by nobody.

    Raises:
        LongError: it has more than ``MOST_BYTES``.
    """
    body = bytearray()
    for piece in response.stream(PIECE, decode_content=False):
        body += piece
        if len(body) > MOST_BYTES:
            raise LongError
    return bytes(body)


def watched(pool: urllib3.PoolManager) -> urllib3.PoolManager:
    """Let deadlines know of the connections that a pool makes."""
    pool.pool_classes_by_scheme = {"http": _Pool, "https": _SafePool}
    return pool


class _Watched(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        _tell(made)
        return made

    def request(self, *arguments: Any, **named: Any) -> None:
        if self.sock is not None:  # kept open from the question before
            _tell(self.sock)
        super().request(*arguments, **named)


class _SafeWatched(_Watched, HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _SafePool(HTTPSConnectionPool):
    ConnectionCls = _SafeWatched


def _tell(connection: Any) -> None:
    if _watch.deadline is not None:
        _watch.deadline.watch(connection.fileno())
