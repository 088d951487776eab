"""Many questions to one endpoint: equal ones once, stored ones never, several at a time."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from rich.console import Console
from rich.progress import track

from cocktail.config import EndpointConfig
from cocktail.inference.endpoint.address import read_address
from cocktail.inference.endpoint.client import Client
from cocktail.inference.endpoint.question import EndpointQuestion, Reply
from cocktail.inference.endpoint.replies import Replies


def ask_all(
    questions: Iterable[EndpointQuestion], *, settings: EndpointConfig, store: Path, label: str
) -> tuple[dict[str, Reply], dict[str, int]]:
    """Return the reply to every question by its key, and counts of what was sent for it.

    Each reply is stored as it comes, so a run that breaks off goes on where it was. Where the store has
    them all, neither address nor network is needed.

    Raises:
        EndpointError: something is new and no endpoint is named, or it gave no answer to it.
    """
    replies, distinct = Replies(store), {question.key: question for question in questions}
    known = {key: replies.get(question) for key, question in distinct.items()}
    missing = [question for key, question in distinct.items() if known[key] is None]
    counts = {"questions": len(distinct), "asked": len(missing)}
    if missing:
        counts |= _ask(missing, replies, settings=settings, label=label)
        known |= {question.key: replies.get(question) for question in missing}
    return {key: reply for key, reply in known.items() if reply is not None}, counts


def _ask(
    missing: list[EndpointQuestion], replies: Replies, *, settings: EndpointConfig, label: str
) -> dict[str, int]:
    client, console = Client(read_address(), settings), Console(stderr=True)
    with ThreadPoolExecutor(settings.concurrency) as threads:
        try:
            asked = [
                threads.submit(lambda one: replies.put(one.key, client.ask(one)), one) for one in missing
            ]
            for future in track(
                as_completed(asked), label, total=len(asked), console=console, disable=not console.is_terminal
            ):
                future.result()
        finally:
            threads.shutdown(wait=False, cancel_futures=True)  # after an error: ask nothing more
    listed = ", ".join(
        f"{name.replace('_', ' ')} {count}" for name, count in sorted(client.counts.items()) if count
    )
    console.print(f"{label}: {listed}", markup=False, highlight=False, soft_wrap=True)
    return dict(client.counts)
