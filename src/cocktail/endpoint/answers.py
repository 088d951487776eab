"""An external model's answers to every evaluation item, in the form of our own models' answers."""

from __future__ import annotations

import resource
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from cocktail.config import ModelConfig, Params
from cocktail.endpoint.ask import ask_all
from cocktail.endpoint.question import Question, Reply
from cocktail.errors import EndpointError
from cocktail.exam import ExamSheet, Shots, read_exam
from cocktail.execution.jobs import NOT_TRAINED
from cocktail.execution.plan import check_base
from cocktail.grid import explore_runs
from cocktail.prompts import turns_of
from cocktail.records import digest_value, fresh_folder, write_json, write_table
from cocktail.store import Store, store_root, write_runtime


def answer_all(*, params: Params, model_name: str, prepared: Path, base: Path, out: Path) -> None:
    """Answer dev and test of every evaluation as the untuned runs; write answers and receipts into ``out``.

    Raises:
        EndpointError: see :func:`ask_all`; or not one answer has any text.
    """
    config, store = params.model(model_name), Store(store_root())
    runs = explore_runs(params, model=model_name)
    entries = {}
    for run in runs:
        sheet = read_exam(prepared, params.study.evaluations, Shots(run.shots, params.study.seed))
        questions = exam_questions(config, sheet, max_tokens=params.endpoint.max_tokens)
        receipt = {
            "run": run.id,
            "model": model_name,
            "kind": run.kind,
            "sources": [],
            "seed": run.seed,
            "config": {"served": config.served, "temperature": 0, "max_tokens": params.endpoint.max_tokens},
            "base_digest": check_base(base),
            "rows_digest": "",
            **NOT_TRAINED,
        }
        key = digest_value([receipt, sheet.digest(), [question.key for question in questions]])
        with store.lock(key):
            if store.have("answers", key) is None:
                _ask(questions, sheet, receipt, params=params, store=store, key=key)
        entries[run.id] = store.path("answers", key)
    with fresh_folder(out) as folder:
        for name, entry in entries.items():
            shutil.copyfile(entry / "answers.parquet", folder / f"{name}.parquet")
            shutil.copyfile(entry / "receipt.json", folder / f"{name}.json")
        write_json(folder / "index.json", {"runs": [run.id for run in runs]})


def exam_questions(config: ModelConfig, sheet: ExamSheet, *, max_tokens: int) -> list[Question]:
    """Return the questions of an exam, in its order: the chats that our own models are shown.

    The endpoint puts its own chat template around them.
    """
    chats = [tuple((turn["role"], turn["content"]) for turn in turns_of(item)) for item in sheet.items()]
    return [Question(str(config.served), chat, max_tokens) for chat in chats]


def _ask(
    questions: Sequence[Question],
    sheet: ExamSheet,
    receipt: Mapping[str, Any],
    *,
    params: Params,
    store: Store,
    key: str,
) -> None:
    """Ask what is new, and put the finished run into the store."""
    started, model = time.perf_counter(), receipt["model"]
    replies, counts = ask_all(questions, settings=params.endpoint, store=store.root, label=f"explore {model}")
    table = _answer_table(sheet.table, questions, replies)
    empty = int((table["answer"].str.strip() == "").sum())
    if empty == len(table):
        raise EndpointError("all answers are empty or refused", where=f"models.{model}")
    ends = {"answered": len(table), "empty_answers": empty, "not_stopped": int((~table["stopped"]).sum())}
    with store.publish("answers", key) as folder:
        write_table(folder / "answers.parquet", table)
        write_json(folder / "receipt.json", {**receipt, **ends})
        seconds = {"training": 0.0, "answering": time.perf_counter() - started}
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB
        write_runtime(folder, {"seconds": seconds, "peak_memory_bytes": memory, "endpoint": counts})


def _answer_table(
    items: pd.DataFrame, questions: Sequence[Question], replies: Mapping[str, Reply]
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
    )
