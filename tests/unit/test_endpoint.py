"""The endpoint's client against a server on loopback: retries are counted, nonsense is one clear error."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pandas as pd
import pytest
from endpoint_server import KEY, FakeEndpoint, Said, Script, completion, serve

from cocktail.config import EndpointConfig
from cocktail.errors import DataError, EndpointError
from cocktail.files.records import write_table
from cocktail.inference.endpoint.address import read_address
from cocktail.inference.endpoint.chat import EndpointQuestion, Reply
from cocktail.inference.endpoint.replies import Replies, ask_all, reply_table

SETTINGS = EndpointConfig(max_tokens=8, concurrency=2, tries=3, timeout_seconds=10.0, backoff_seconds=0.0)


def question(text: str = "Is it good?", **changes: Any) -> EndpointQuestion:
    return EndpointQuestion(**{"model": "judge-1", "messages": (("user", text),), "max_tokens": 8} | changes)


@pytest.fixture(autouse=True)
def no_endpoint_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COCKTAIL_ENDPOINT", "COCKTAIL_ENDPOINT_KEY", "http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("COCKTAIL_ENDPOINT_INSECURE", raising=False)


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Start a server with a script, and name it in the environment; stopped after the test."""
    from contextlib import ExitStack

    with ExitStack() as servers:

        def start(script: Script) -> FakeEndpoint:
            server = servers.enter_context(serve(script))
            monkeypatch.setenv("COCKTAIL_ENDPOINT", server.url)
            monkeypatch.setenv("COCKTAIL_ENDPOINT_KEY", KEY)
            return server

        yield start


def ask(store: Path, *questions: EndpointQuestion, **settings: Any) -> tuple[list[Reply], dict[str, int]]:
    questions = questions or (question(),)
    replies, counts = ask_all(
        questions, settings=SETTINGS.model_copy(update=settings), store=store, label="test"
    )
    return [replies[one.key] for one in questions], counts


def refused(store: Path, *questions: EndpointQuestion, **settings: Any) -> EndpointError:
    """The error; the key is in none of its words and in no file."""
    with pytest.raises(EndpointError) as caught:
        ask(store, *questions, **settings)
    shown = [str(caught.value), repr(caught.value), repr(caught.value.__cause__)]
    assert not any(KEY in text or "secret" in text for text in shown)
    assert "127.0.0.1" not in str(caught.value)
    assert caught.value.where
    return caught.value


def test_a_good_answer_and_what_was_sent_for_it(endpoint: Any, tmp_path: Path) -> None:
    server = endpoint(lambda body, count: completion(" positive\n"))
    (reply,), counts = ask(tmp_path)
    assert reply == Reply(" positive\n", num_tokens=3, stopped=True)
    assert server.bodies == [
        {
            "model": "judge-1",
            "messages": [{"role": "user", "content": "Is it good?"}],
            "temperature": 0,
            "max_tokens": 8,
        }
    ]
    assert server.paths == ["/v1/chat/completions"]
    assert server.keys == [f"Bearer {KEY}"]
    assert server.types == ["application/json"]
    assert counts["requests"] == 1 and counts["prompt_tokens"] == 7
    assert not any(name.startswith("retried") for name in counts)


def test_a_server_without_a_key_is_sent_none(
    endpoint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = endpoint(lambda body, count: completion())
    monkeypatch.delenv("COCKTAIL_ENDPOINT_KEY")
    ask(tmp_path)
    assert server.keys == [""]


def test_an_answer_at_the_length_limit_is_kept_as_such(endpoint: Any, tmp_path: Path) -> None:
    endpoint(lambda body, count: completion("It is, all things", finish="length"))
    assert ask(tmp_path)[0] == [Reply("It is, all things", num_tokens=3, stopped=False)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "counted"),
    [
        (Said(status=429, headers={"Retry-After": "0"}), "retried_busy"),
        (Said(status=429), "retried_busy"),
        (Said(status=503, body="<html>"), "retried_server_errors"),
        (Said(status=500), "retried_server_errors"),
        (Said(body="late", wait=2.0), "retried_timeouts"),
        (Said(body="x" * 99, stall=2.0), "retried_timeouts"),
        (Said(body="cut off", headers={"Content-Length": "99"}), "retried_"),
    ],
)
def test_what_may_pass_is_tried_again_and_counted(
    first: Said, counted: str, endpoint: Any, tmp_path: Path
) -> None:
    server = endpoint(lambda body, count: first if count == 0 else completion())
    replies, counts = ask(tmp_path, timeout_seconds=1.0 if "timeouts" in counted else 10.0)
    assert replies[0].text == "positive"
    assert [counts[name] for name in counts if name.startswith(counted)] == [1]
    assert counts["requests"] == len(server.bodies) == 2


@pytest.mark.slow
def test_a_server_that_asks_for_patience_gets_it(endpoint: Any, tmp_path: Path) -> None:
    import time

    endpoint(lambda body, count: completion() if count else Said(status=429, headers={"Retry-After": "1"}))
    started = time.perf_counter()
    ask(tmp_path)
    assert time.perf_counter() - started >= 1


@pytest.mark.parametrize("status", [429, 500])
def test_a_server_that_never_recovers_is_an_error(status: int, endpoint: Any, tmp_path: Path) -> None:
    server = endpoint(lambda body, count: Said(status=status, body=f"down; you sent {KEY}\n\x1b[31m"))
    error = refused(tmp_path)
    assert f"HTTP status {status} after all tries" in error.what and "[key]" in error.what
    assert "\x1b" not in error.what
    assert len(server.bodies) == SETTINGS.tries


def test_a_server_that_is_always_late_is_an_error(endpoint: Any, tmp_path: Path) -> None:
    server = endpoint(lambda body, count: Said(wait=0.6))
    assert "gives no answer in time" in refused(tmp_path, timeout_seconds=0.2).what
    assert len(server.bodies) == SETTINGS.tries


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "tries"),
    [
        (Said(drip="body"), 3),
        (Said(drip="headers"), 3),
        (Said(status=500, drip="body"), 3),  # what a library reads to its end before it asks again
        (Said(flood=True), 1),
        (Said(status=500, flood=True), 1),
    ],
    ids=["body", "headers", "error", "flood", "flood of an error"],
)
def test_a_reply_without_end_is_left_in_time(said: Said, tries: int, endpoint: Any, tmp_path: Path) -> None:
    """A time-out that starts anew with every byte is none; an endless body would fill the memory."""
    import resource
    import time

    server = endpoint(lambda body, count: said)
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    error = refused(tmp_path, timeout_seconds=1.0)
    assert ("longer than 4 MiB" if said.flood else "gives no answer in time") in error.what
    assert time.perf_counter() - started < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB
    assert len(server.bodies) == tries


@pytest.mark.slow
def test_endless_replies_to_many_questions_end_them_all(endpoint: Any, tmp_path: Path) -> None:
    """More questions than connections: one that is given up must not leave the next waiting for its place."""
    endpoint(lambda body, count: Said(flood=True))
    asking = [question(f"Is it {number}?") for number in range(12)]
    caught: list[EndpointError] = []
    asker = Thread(target=lambda: caught.append(refused(tmp_path, *asking, timeout_seconds=5.0)), daemon=True)
    asker.start()
    asker.join(60)
    assert [one for one in caught if "longer than 4 MiB" in one.what], "it waits for ever"


@pytest.mark.slow
def test_after_a_reply_without_end_the_next_is_read(endpoint: Any, tmp_path: Path) -> None:
    server = endpoint(lambda body, count: Said(drip="body") if count == 0 else completion())
    replies, counts = ask(tmp_path, timeout_seconds=1.0)
    assert replies[0].text == "positive" and counts["retried_timeouts"] == 1
    assert len(server.bodies) == 2


def test_nobody_there_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    monkeypatch.setenv("COCKTAIL_ENDPOINT", f"http://127.0.0.1:{port}/v1")
    assert "cannot be reached" in refused(tmp_path).what
    assert caplog.text == ""  # urllib3's own warnings name the host


@pytest.mark.parametrize(
    ("status", "fix"), [(401, "valid key"), (403, "may use this model"), (404, "chat/completions"), (400, "")]
)
def test_a_request_that_will_never_do_is_sent_once(
    status: int, fix: str, endpoint: Any, tmp_path: Path
) -> None:
    said = json.dumps({"error": {"message": f"Incorrect key: {KEY[:9]}***{KEY[-4:]} or model", "code": "x"}})
    server = endpoint(
        lambda body, count: Said(status=status, body=said if status in (401, 403) else "no model")
    )
    error = refused(tmp_path)
    assert f"HTTP status {status}" in error.what and fix in error.fix
    assert ("no model" in error.what) == (status in (404, 400))
    assert KEY[-4:] not in str(error)  # servers repeat parts of a wrong key
    assert len(server.bodies) == 1


def test_a_redirect_is_not_followed_with_the_key(endpoint: Any, tmp_path: Path) -> None:
    other = endpoint(lambda body, count: completion())
    server = endpoint(
        lambda body, count: Said(status=307, headers={"Location": f"{other.url}/chat/completions"})
    )
    assert "HTTP status 307" in refused(tmp_path).what
    assert len(server.bodies) == 1 and other.bodies == []


GOOD: dict[str, Any] = json.loads(completion().body)


def changed(**choice: Any) -> str:
    return json.dumps({**GOOD, "choices": [{**GOOD["choices"][0], **choice}]})


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("<!doctype html><title>Welcome</title>", "Invalid JSON"),
        ("", "Invalid JSON"),
        ('{"choices": [', "Invalid JSON"),
        ("[]", "Input should be an object"),
        ("null", "Input should be an object"),
        ('{"id": "x"}', "choices: Field required"),
        ('{"choices": []}', "choices: List should have at least 1 item"),
        ('{"choices": {"0": {}}}', "choices: Input should be a valid"),
        ('{"choices": [{"text": "positive"}]}', "choices.0.message: Field required"),
        (json.dumps({**GOOD, "choices": GOOD["choices"] * 2}), "choices: List should have at most 1 item"),
        ('{"choices": [{"message": {"content": "a\\ud800b"}}]}', "Invalid JSON"),
        ("[" * 100_000, "Invalid JSON"),
        (changed(message="positive"), "choices.0.message: Input should be an object"),
        (changed(message={"content": 7}), "choices.0.message.content: Input should be a valid string"),
        (changed(message={"content": ["a"]}), "choices.0.message.content: Input should be a valid string"),
        (changed(message={"content": "x", "refusal": True}), "refusal: Input should be a valid string"),
        (changed(finish_reason=0), "finish_reason: Input should be a valid string"),
        (
            json.dumps({**GOOD, "usage": {"completion_tokens": "3"}}),
            "completion_tokens: Input should be a valid int",
        ),
    ],
)
def test_nonsense_is_one_clear_error_and_is_not_stored(
    body: str, told: str, endpoint: Any, tmp_path: Path
) -> None:
    server = endpoint(lambda _, count: Said(body=body))
    error = refused(tmp_path)
    assert error.what.startswith("the endpoint's answer is no chat completion") and told in error.what
    assert error.where == "COCKTAIL_ENDPOINT" and error.fix
    assert len(server.bodies) == 1
    assert not list(tmp_path.rglob("*.json"))


FILTERED = Said(status=400, body=json.dumps({"error": {"code": "content_filter", "message": "no"}}))


@pytest.mark.parametrize(
    "refusal",
    [
        completion("Half an ans", finish="content_filter"),
        completion(None, refusal="I cannot help with that."),
        completion("Sorry.", refusal="I cannot help with that."),
        completion(""),
        completion("  \n"),
        completion(None),
        FILTERED,
    ],
)
def test_a_refusal_is_asked_once_more_and_counted(refusal: Said, endpoint: Any, tmp_path: Path) -> None:
    server = endpoint(lambda body, count: refusal if count == 0 else completion())
    replies, counts = ask(tmp_path / "once")
    assert replies[0].text == "positive"
    assert (counts["refusals_retried"], counts["refused"], len(server.bodies)) == (1, 0, 2)
    server = endpoint(lambda body, count: refusal)
    replies, counts = ask(tmp_path / "twice")
    assert replies[0].text.strip() == ""
    assert (counts["refusals_retried"], counts["refused"], len(server.bodies)) == (1, 1, 2)


def test_equal_questions_are_asked_once_and_stored_ones_never(
    endpoint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = endpoint(lambda body, count: completion(body["messages"][0]["content"].upper()))
    replies, counts = ask(tmp_path, question("a"), question("b"), question("a"))
    assert [reply.text for reply in replies] == ["A", "B", "A"]
    assert len(server.bodies) == counts["asked"] == 2
    for name in ("COCKTAIL_ENDPOINT", "COCKTAIL_ENDPOINT_KEY"):
        monkeypatch.delenv(name)
    assert ask(tmp_path, question("b"), question("a")) == (
        [replies[1], replies[0]],
        {"questions": 2, "asked": 0},
    )
    assert len(server.bodies) == 2
    for other in (question("a", model="judge-2"), question("a", max_tokens=9), question("a ")):
        assert refused(tmp_path, other).where == "COCKTAIL_ENDPOINT"


def test_a_run_that_breaks_off_goes_on_where_it_was(endpoint: Any, tmp_path: Path) -> None:
    broken = endpoint(lambda body, count: completion() if count < 3 else Said(body="<html>"))
    questions = [question(str(number)) for number in range(9)]
    refused(tmp_path, *questions, concurrency=1)
    assert len(broken.bodies) < 9  # after the error nothing more is asked
    server = endpoint(lambda body, count: completion())
    ask(tmp_path, *questions)
    assert len(server.bodies) == 6


def test_no_more_than_so_many_at_once(endpoint: Any, tmp_path: Path) -> None:
    server = endpoint(lambda body, count: Said(body=completion().body, wait=0.05))
    ask(tmp_path, *(question(str(number)) for number in range(8)), concurrency=3)
    assert server.most_at_once == 3


def test_the_key_is_written_nowhere(endpoint: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    endpoint(lambda body, count: completion(f"You are {KEY}."))
    replies, _ = ask(tmp_path)
    write_table(tmp_path / "out.parquet", reply_table({question().key: replies[0]}))
    assert replies[0].text == "You are [key]."
    assert KEY not in repr(read_address())
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 2
    assert not any(KEY.encode() in path.read_bytes() for path in files)
    assert KEY not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "echo",
    [
        KEY,
        KEY[3:16],
        KEY[-6:],
        base64.b64encode(f"Bearer {KEY}".encode()).decode(),
        base64.b64encode(KEY.encode()).decode(),
        KEY.encode().hex(),
        " ".join(KEY[at : at + 5] for at in range(0, len(KEY), 5)),
    ],
)
@pytest.mark.parametrize("status", [400, 404, 500])
def test_no_piece_of_the_key_is_shown(status: int, echo: str, endpoint: Any, tmp_path: Path) -> None:
    endpoint(lambda body, count: Said(status=status, body=f"you sent {echo}; that is all"))
    said = refused(tmp_path).what
    assert "[key]" in said and "that is all" in said
    forms = (KEY, KEY.encode().hex(), base64.b64encode(f"Bearer {KEY}".encode()).decode())
    assert not any(form[at : at + 5] in said for form in forms for at in range(len(form) - 4))


def test_replies_travel_as_a_table(tmp_path: Path, endpoint: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint(lambda body, count: completion())
    replies, _ = ask(tmp_path / "here")
    write_table(tmp_path / "asked.parquet", reply_table({question().key: replies[0]}))
    monkeypatch.delenv("COCKTAIL_ENDPOINT")
    assert Replies(tmp_path / "there").take(tmp_path / "asked.parquet") == 1
    assert ask(tmp_path / "there")[0] == replies


@pytest.mark.parametrize(
    "columns",
    [
        {"answer": ["x"]},
        {"prompt_hash": ["../../x"], "answer": ["x"], "num_tokens": [1], "stopped": [True]},
        {"prompt_hash": ["0" * 64], "answer": [None], "num_tokens": [1], "stopped": [True]},
        {"prompt_hash": [], "answer": [], "num_tokens": [], "stopped": []},
    ],
)
def test_other_tables_are_not_taken(columns: dict[str, list[Any]], tmp_path: Path) -> None:
    write_table(tmp_path / "asked.parquet", pd.DataFrame(columns))
    with pytest.raises(DataError, match="not a table of an endpoint's replies"):
        Replies(tmp_path / "store").take(tmp_path / "asked.parquet")
    assert not (tmp_path / "store").exists() and not (tmp_path / "x.json").exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("INCORRECT", "CORRECT"),
        lambda text: text.replace('"stopped": true', '"stopped": false'),
        lambda text: json.dumps({k: v for k, v in json.loads(text).items() if k != "digest"}),
        lambda text: '{"text": 1}',
        lambda text: "[]",
        lambda text: "",
    ],
)
def test_a_stored_reply_that_was_changed_is_asked_again(
    change: Any, tmp_path: Path, endpoint: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    server = endpoint(lambda body, count: completion("INCORRECT"))
    replies, _ = ask(tmp_path)
    (path,) = tmp_path.rglob("*.json")
    changed = change(path.read_text(encoding="utf-8"))
    path.write_text(changed, encoding="utf-8")
    capsys.readouterr()
    assert ask(tmp_path)[0] == replies
    assert len(server.bodies) == 2
    (aside,) = (tmp_path / "broken/replies").iterdir()
    assert aside.read_text(encoding="utf-8") == changed
    assert [str(path) in line for line in capsys.readouterr().err.splitlines() if "broken" in line] == [True]
    assert ask(tmp_path)[1]["asked"] == 0


def test_a_reply_to_another_question_is_none(tmp_path: Path, endpoint: Any) -> None:
    server = endpoint(lambda body, count: completion(body["messages"][0]["content"].upper()))
    ask(tmp_path, question("a"), question("b"))
    one, two = tmp_path.rglob("*.json")
    one.write_bytes(two.read_bytes())
    assert [reply.text for reply in ask(tmp_path, question("a"), question("b"))[0]] == ["A", "B"]
    assert len(server.bodies) == 3


def test_changed_replies_of_a_table_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = {question(text).key: Reply("INCORRECT", 3, stopped=True) for text in "ab"}
    table = reply_table(given)
    table.loc[0, "answer"] = "CORRECT"
    write_table(tmp_path / "asked.parquet", table)
    replies = Replies(tmp_path / "store")
    assert replies.take(tmp_path / "asked.parquet") == 1
    assert [replies.get(question(text)) for text in "ab"] == [None, given[question("b").key]]
    assert "1 of 2 replies" in capsys.readouterr().err
    write_table(tmp_path / "asked.parquet", table[:1])
    with pytest.raises(DataError, match="1 of 1 replies"):
        replies.take(tmp_path / "asked.parquet")


@pytest.mark.parametrize(
    ("url", "key", "told"),
    [
        ("", "", "no endpoint is named"),
        ("ftp://host/v1", "", "no http or https URL"),
        ("host/v1", "", "no http or https URL"),
        ("http://host:port/v1", "", "no http or https URL"),
        ("http://[::1/v1", "", "no http or https URL"),
        (f"https://user:{KEY}@host/v1", "", "more than host and path"),
        (f"https://host/v1?key={KEY}", "", "more than host and path"),
        ("http://host/v1", KEY, "anybody on the way can read"),
        ("http://localhost.example.org/v1", "", "anybody on the way can read"),
        ("http://10.0.0.1/v1", "", "anybody on the way can read"),
        ("https://host/v1", f"{KEY}\nHost: other", "characters that no header can carry"),
        ("https://host/v1", f"{KEY} x", "characters that no header can carry"),
        ("https://host/v1", f"{KEY}é", "characters that no header can carry"),
    ],
)
def test_a_wrong_address_is_refused_without_showing_it(
    url: str, key: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COCKTAIL_ENDPOINT", url)
    monkeypatch.setenv("COCKTAIL_ENDPOINT_KEY", key)
    assert told in refused(tmp_path).what


@pytest.mark.parametrize(
    "url", ["http://localhost:1/v1", "http://127.0.0.2/v1", "http://[::1]:8/v1", "https://host/v1"]
)
def test_this_machine_is_asked_over_http(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKTAIL_ENDPOINT", url)
    assert read_address().url == url


def test_http_to_another_machine_is_a_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKTAIL_ENDPOINT", "http://host/v1")
    monkeypatch.setenv("COCKTAIL_ENDPOINT_INSECURE", "1")
    assert read_address().url == "http://host/v1"


def test_the_proxy_of_the_environment_is_used(
    endpoint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = endpoint(lambda body, count: completion())
    monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1"))
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("COCKTAIL_ENDPOINT", "http://model.invalid/v1")
    monkeypatch.setenv("COCKTAIL_ENDPOINT_INSECURE", "1")
    ask(tmp_path)
    assert proxy.paths == ["http://model.invalid/v1/chat/completions"]
