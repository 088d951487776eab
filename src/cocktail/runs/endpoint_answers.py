"""An external model's answers to every evaluation item, in the form of our own models' answers."""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cocktail.config import Params
from cocktail.data.evaluation_set import EvaluationSet, Shots, read_evaluation_set
from cocktail.data.grid import explore_runs
from cocktail.data.prompts import turns_of
from cocktail.errors import EndpointError
from cocktail.files.records import digest_value
from cocktail.files.store import Store, store_root
from cocktail.inference.endpoint.chat import EndpointQuestion, Reply
from cocktail.inference.endpoint.replies import ask_all
from cocktail.runs.finished import (
    NOT_TRAINED,
    Answered,
    Finished,
    how_ended,
    publish_answers,
    read_answers,
    write_runs,
)
from cocktail.runs.plan import check_base


def answer_all(*, params: Params, model_name: str, prepared: Path, base: Path, out: Path, lock: str) -> None:
    """Answer every evaluation set as the untuned runs; write answers and receipts into ``out``.

    Args:
        lock: digest of the study's lock, "" if it has none.

    Raises:
        EndpointError: see :func:`ask_all`; or not one answer to a set has any text.
    """
    store, served, limit = Store(store_root()), params.model(model_name).served, params.endpoint.max_tokens
    settings = {"served": served, "temperature": 0, "max_tokens": limit}
    about = {
        "model": model_name,
        "config": settings,
        "base": check_base(base),
        "rows_digest": "",
        "training_key": "",
    }
    finished = []
    for run in explore_runs(params, model=model_name):
        answers: list[Answered] = []
        for asked in run.asked:
            items = read_evaluation_set(prepared, asked, Shots(run.shots, params.study.seed))
            questions = _questions(items, served=str(served), max_tokens=limit)
            key = digest_value([settings, items.digest(), [question.key for question in questions]])
            with store.lock(key):
                if store.have("answers", key) is None:
                    label = f"explore {model_name} {asked.task}"
                    _ask(questions, items, params=params, label=label, store=store, key=key)
            answers.append(read_answers(store.path("answers", key), asked, key))
        finished.append(Finished(run, about, NOT_TRAINED, tuple(answers)))
    write_runs(out, finished, lock=lock)


def _questions(items: EvaluationSet, *, served: str, max_tokens: int) -> list[EndpointQuestion]:
    """Return the questions of an evaluation set, in its order: the chats that our own models are shown.

    The endpoint puts its own chat template around them.
    """
    chats = [tuple((turn["role"], turn["content"]) for turn in turns_of(item)) for item in items.items()]
    return [EndpointQuestion(served, chat, max_tokens) for chat in chats]


def _ask(
    questions: Sequence[EndpointQuestion],
    items: EvaluationSet,
    *,
    params: Params,
    label: str,
    store: Store,
    key: str,
) -> None:
    """Ask what is new, and put the answers into the store."""
    started = time.perf_counter()
    replies, counts = ask_all(questions, settings=params.endpoint, store=store.root, label=label)
    table = _answer_table(items.table, questions, replies)
    if how_ended(table)["empty_answers"] == len(table):
        raise EndpointError("all answers are empty or refused", where=label)
    seconds = {"answering": time.perf_counter() - started}
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB
    runtime = {"seconds": seconds, "peak_memory_bytes": memory, "endpoint": counts}
    publish_answers(store, key, table, made_on="endpoint", runtime=runtime)


def _answer_table(
    items: pd.DataFrame, questions: Sequence[EndpointQuestion], replies: Mapping[str, Reply]
) -> pd.DataFrame:
    """The columns of ``cocktail.inference.answer``; nothing is cut here, and no label decoded."""
    given = [replies[question.key] for question in questions]
    return items[["item", "task", "split", "cluster"]].assign(
        prompt_hash=[question.key for question in questions],
        answer=[reply.text for reply in given],
        num_tokens=[reply.num_tokens for reply in given],
        stopped=[reply.stopped for reply in given],
        cut=False,
        label_choice="",
        reference_logprob=np.float32("nan"),
    )
