"""One question to an OpenAI-compatible server: sent, retried where that helps, and its answer checked.

urllib3 does the waiting: 429 and 5xx, time-outs and broken connections are tried again after growing
pauses, or when the server says so (Retry-After). The ``openai`` package would do the same at the price of
a dozen more pins.
"""

from __future__ import annotations

import threading
from collections import Counter
from http import HTTPStatus
from typing import Any

import urllib3
from pydantic import BaseModel, Field, ValidationError
from urllib3.exceptions import HTTPError, MaxRetryError, TimeoutError
from urllib3.util import Retry

from cocktail.config import EndpointConfig
from cocktail.endpoint.address import EXAMPLE, KEY, URL, Address
from cocktail.endpoint.question import Question, Reply
from cocktail.errors import EndpointError

BUSY = (HTTPStatus.TOO_MANY_REQUESTS, 500, 502, 503, 504)
LONGEST_PAUSE = 60  # seconds, whatever the server asks for
CONNECTS = 2  # a host that is not there is not tried longer
REFUSED = Reply(text="", num_tokens=0, stopped=False)
FIXES = {
    HTTPStatus.UNAUTHORIZED: f"a valid key in {KEY}",
    HTTPStatus.FORBIDDEN: f"a key in {KEY} that may use this model",
    HTTPStatus.NOT_FOUND: f"{EXAMPLE}; or the model's name as the server knows it",
}


class _Message(BaseModel, strict=True):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel, strict=True):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel, strict=True):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Completion(BaseModel, strict=True):
    """What is read of a chat completion; everything else is left alone."""

    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


class Client:
    """Asks one server; may be used by many threads. ``counts`` says what happened on the way."""

    def __init__(self, address: Address, settings: EndpointConfig) -> None:
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
            if response.status == HTTPStatus.BAD_REQUEST and _is_filtered(response):
                return REFUSED
            raise self._failure(response.status, body)
        try:
            completion = _Completion.model_validate_json(body)
        except ValidationError as error:
            problems = (
                f"{'.'.join(map(str, one['loc']))}: {one['msg']}".lstrip(": ") for one in error.errors()
            )
            raise EndpointError(
                f"the endpoint's answer is no chat completion ({'; '.join(problems)})", where=URL, fix=EXAMPLE
            ) from None
        choice, usage = completion.choices[0], completion.usage or _Usage()
        self._count(prompt_tokens=usage.prompt_tokens, answer_tokens=usage.completion_tokens)
        if choice.finish_reason == "content_filter" or choice.message.refusal:
            return REFUSED
        text = self._address.without_key(choice.message.content or "")
        return Reply(text, usage.completion_tokens, stopped=choice.finish_reason == "stop")

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
            what = "gives no answer in time" if isinstance(reason, TimeoutError) else "cannot be reached"
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
            fix=FIXES.get(HTTPStatus(status), "") if status in FIXES else "",
        )

    def _count(self, **more: int) -> None:
        with self._lock:
            self.counts.update(more)


def _name(status: int | None, error: Exception | None) -> str:
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return "retried_busy"
    if status:
        return "retried_server_errors"
    return "retried_timeouts" if isinstance(error, TimeoutError) else "retried_connections"


def _is_filtered(response: Any) -> bool:
    """Whether a question (not its answer) was stopped by the server's content filter."""
    try:
        return bool(response.json()["error"]["code"] == "content_filter")
    except (ValueError, KeyError, TypeError):
        return False
