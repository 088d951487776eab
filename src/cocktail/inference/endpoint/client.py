"""One question to an OpenAI-compatible server: sent, retried where that helps, and its answer checked.

urllib3 does the waiting: 429 and 5xx, time-outs and broken connections are tried again after growing
pauses, or when the server says so (Retry-After). The ``openai`` package would do the same at the price of
a dozen more pins.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import replace
from http import HTTPStatus

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    ReadTimeoutError,
)
from urllib3.util import Retry

from cocktail.config import EndpointConfig
from cocktail.errors import EndpointError
from cocktail.inference.endpoint.address import EXAMPLE, KEY, URL, Address
from cocktail.inference.endpoint.completion import REFUSED, is_filtered, read_completion
from cocktail.inference.endpoint.question import Question, Reply

BUSY = (HTTPStatus.TOO_MANY_REQUESTS, 500, 502, 503, 504)
LONGEST_PAUSE = 60  # seconds, whatever the server asks for
CONNECTS = 2  # a host that is not there is not tried longer
FIXES: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: f"a valid key in {KEY}",
    HTTPStatus.FORBIDDEN: f"a key in {KEY} that may use this model",
    HTTPStatus.NOT_FOUND: f"{EXAMPLE}; or the model's name as the server knows it",
}


class Client:
    """Asks one server; may be used by many threads. ``counts`` says what happened on the way."""

    def __init__(self, address: Address, settings: EndpointConfig) -> None:
        logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # its warnings name the host
        self.counts: Counter[str] = Counter()
        self._address = address
        self._lock = threading.Lock()
        self._pool = address.pool(connections=settings.concurrency)
        self._timeout = urllib3.Timeout(total=settings.timeout_seconds)
        self._retry = Retry(
            total=settings.tries - 1,
            connect=min(CONNECTS, settings.tries) - 1,
            status_forcelist=BUSY,
            allowed_methods=["POST"],  # at temperature 0 to ask again is to ask the same
            backoff_factor=settings.backoff_seconds,
            backoff_jitter=settings.backoff_seconds,
            backoff_max=LONGEST_PAUSE,
            retry_after_max=LONGEST_PAUSE,
            raise_on_status=False,
        )

    def ask(self, question: Question) -> Reply:
        """Return the server's answer; one that is refused twice is the empty answer.

        Raises:
            EndpointError: no answer after all tries, or one that is no chat completion.
        """
        reply = self._asked(question)
        if reply.text.strip():
            return reply
        self._count(refusals_retried=1)
        again = self._asked(question)
        self._count(refused=not again.text.strip())
        return again

    def _asked(self, question: Question) -> Reply:
        response = self._sent(question)
        body = response.data.decode("utf-8", errors="replace")
        if response.status != HTTPStatus.OK:
            if response.status == HTTPStatus.BAD_REQUEST and is_filtered(body):
                return REFUSED
            raise self._failure(response.status, body)
        reply, tokens = read_completion(body)
        self._count(**tokens)
        return replace(reply, text=self._address.without_key(reply.text))

    def _sent(self, question: Question) -> urllib3.BaseHTTPResponse:
        try:
            response = self._pool.request(
                "POST",
                f"{self._address.url}/chat/completions",
                json=question.body(),
                headers=self._address.headers(),
                retries=self._retry,
                timeout=self._timeout,
                redirect=False,  # the key stays with the host that it was given for
            )
        except HTTPError as error:  # its text names the host; ours does not
            reason = error.reason if isinstance(error, MaxRetryError) else error
            what = "gives no answer in time" if _is_late(reason) else "cannot be reached"
            raise EndpointError(
                f"the endpoint {what} ({type(reason).__name__}, after all tries)",
                where=URL,
                fix="the same command again: what was answered is in the store",
            ) from None
        history = response.retries.history if response.retries else ()
        self._count(requests=1 + len(history), **Counter(_name(one.status, one.error) for one in history))
        return response

    def _failure(self, status: int, body: str) -> EndpointError:
        """An error of the server; what it says to a wrong key may hold parts of the key and is not shown."""
        hidden = status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
        said = " ".join(
            "".join(c if c.isprintable() else " " for c in self._address.without_key(body)).split()
        )
        tried = " after all tries" if status in BUSY else ""
        return EndpointError(
            f"the endpoint answers with HTTP status {status}{tried}"
            + (f": {said[:200]}" if said and not hidden else ""),
            where=URL,
            fix=FIXES.get(status, ""),
        )

    def _count(self, **more: int) -> None:
        with self._lock:
            self.counts.update(more)


def _name(status: int | None, error: Exception | None) -> str:
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return "retried_busy"
    if status:
        return "retried_server_errors"
    return "retried_timeouts" if _is_late(error) else "retried_connections"


def _is_late(error: Exception | None) -> bool:
    """Whether time ran out; to urllib3 a refused connection is a time-out as well."""
    return isinstance(error, ReadTimeoutError | ConnectTimeoutError) and not isinstance(
        error, NewConnectionError
    )
