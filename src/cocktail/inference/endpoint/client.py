"""One question to an OpenAI-compatible server: sent, retried where that helps, and its answer checked.

429 and 5xx, time-outs and broken connections are tried again after urllib3's growing pauses, or when the
server says so (Retry-After); a reply that is read whole, capped and in time is ours. The ``openai`` package
would do the retries at the price of a dozen more pins, and waits without end for a reply that drips.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass, replace
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
from urllib3.util.retry import RequestHistory

from cocktail.config import EndpointConfig
from cocktail.errors import EndpointError
from cocktail.inference.endpoint import EXAMPLE, URL
from cocktail.inference.endpoint.address import KEY, Address
from cocktail.inference.endpoint.chat import REFUSED, EndpointQuestion, Reply, is_filtered, read_completion
from cocktail.inference.endpoint.deadline import MOST_BYTES, LateError, LongError, deadline, read_capped

BUSY = (HTTPStatus.TOO_MANY_REQUESTS, 500, 502, 503, 504)
LONGEST_PAUSE = 60  # seconds, whatever the server asks for
SHOWN = 2000  # characters of an error's body, before it is cleaned and cut
CONNECTS = 2  # a host that is not there is not tried longer
FIXES: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: f"a valid key in {KEY}",
    HTTPStatus.FORBIDDEN: f"a key in {KEY} that may use this model",
    HTTPStatus.NOT_FOUND: f"{EXAMPLE}; or the model's name as the server knows it",
}


@dataclass(frozen=True)
class _Answer:
    """What came back: status, body, and the tries before it."""

    status: int
    body: str
    history: tuple[RequestHistory, ...]


class Client:
    """Asks one server; may be used by many threads. ``counts`` says what happened on the way."""

    def __init__(self, address: Address, settings: EndpointConfig) -> None:
        logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # its warnings name the host
        self.counts: Counter[str] = Counter()
        self._address = address
        self._lock = threading.Lock()
        self._pool = address.pool(connections=settings.concurrency)
        self._seconds = settings.timeout_seconds
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

    def ask(self, question: EndpointQuestion) -> Reply:
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

    def _asked(self, question: EndpointQuestion) -> Reply:
        answer = self._sent(question)
        if answer.status != HTTPStatus.OK:
            if answer.status == HTTPStatus.BAD_REQUEST and is_filtered(answer.body):
                return REFUSED
            raise self._failure(answer.status, answer.body)
        reply, tokens = read_completion(answer.body)
        self._count(**tokens)
        return replace(reply, text=self._address.without_key(reply.text))

    def _sent(self, question: EndpointQuestion) -> _Answer:
        """Send a question until it is answered, or will not be."""
        try:
            answer = self._tried(question)
        except HTTPError as error:  # its text names the host; ours does not
            reason = error.reason if isinstance(error, MaxRetryError) else error
            what = "gives no answer in time" if _is_late(reason) else "cannot be reached"
            raise EndpointError(
                f"the endpoint {what} ({type(reason).__name__}, after all tries)",
                where=URL,
                fix="the same command again: what was answered is in the store",
            ) from None
        except LongError:
            raise EndpointError(
                f"the endpoint's answer is longer than {MOST_BYTES >> 20} MiB", where=URL, fix=EXAMPLE
            ) from None
        tried = answer.history
        self._count(requests=1 + len(tried), **Counter(_name(one.status, one.error) for one in tried))
        return answer

    def _tried(self, question: EndpointQuestion) -> _Answer:
        retry = self._retry
        while True:
            try:
                response, body = self._once(question)
            except HTTPError as error:
                retry = retry.increment("POST", "", error=error)
                retry.sleep()
                continue
            answer = _Answer(response.status, body.decode("utf-8", errors="replace"), retry.history)
            if not retry.is_retry("POST", response.status, "Retry-After" in response.headers):
                return answer
            try:
                retry = retry.increment("POST", "", response=response)
            except MaxRetryError:
                return answer
            retry.sleep(response)

    def _once(self, question: EndpointQuestion) -> tuple[urllib3.BaseHTTPResponse, bytes]:
        """Send a question once, and read the reply whole."""
        url = f"{self._address.url}/chat/completions"
        try:
            with deadline(self._seconds):
                response = self._pool.request(
                    "POST",
                    url,
                    json=question.body(),
                    headers={**self._address.headers(), "Accept-Encoding": "identity"},
                    retries=False,
                    timeout=self._timeout,
                    redirect=False,  # the key stays with the host that it was given for
                    preload_content=False,
                )
                try:
                    body = read_capped(response)
                except BaseException:
                    response.close()  # what is left of it is not read before the next question
                    raise
                finally:
                    response.release_conn()  # else the next question waits for its place for ever
                return response, body
        except LateError:
            pool = urllib3.HTTPConnectionPool("endpoint")  # for the error's text only
            raise ReadTimeoutError(pool, "", "no whole answer in time") from None

    def _failure(self, status: int, body: str) -> EndpointError:
        """An error of the server; what it says to a wrong key may hold parts of the key and is not shown."""
        hidden = status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
        shown = self._address.without_key(body[:SHOWN], shortest=4)
        said = " ".join("".join(c if c.isprintable() else " " for c in shown).split())
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
