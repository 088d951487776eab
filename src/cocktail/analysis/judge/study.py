"""The judge stage: a verdict on every free-text test answer, beside the codes of the rules."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from cocktail.analysis.judge.verdicts import (
    agreement_rows,
    canaries,
    case,
    fallen_for,
    read_verdict,
    run_rows,
)
from cocktail.config import Params
from cocktail.data.table import read_split
from cocktail.errors import RecordError
from cocktail.files.records import (
    digest_value,
    fresh_folder,
    list_digests,
    read_table,
    write_json,
    write_table,
)
from cocktail.files.store import Store, store_root, write_runtime
from cocktail.inference.endpoint.chat import EndpointQuestion, Reply
from cocktail.inference.endpoint.replies import reply_table
from cocktail.scoring.answers import STAGES, read_answers, read_evaluations
from cocktail.scoring.codes import check_text, task_of

WHERE = ["model", "stage", "run", "task", "item"]
COLUMNS = [*WHERE, "strict", "lenient", "verdict", "prompt_hash"]
_EMPTY = pd.DataFrame(columns=[*COLUMNS, "question", "gold", "answer"], dtype="str")


def judge_study(prepared: Path, answers: Path, scores: Path, out: Path, *, params: Params) -> dict[str, Any]:
    """Write ``verdicts.parquet``, ``asked.parquet`` and ``counts.json`` below ``out``; return the counts.

    With ``judge.backend: rules`` nobody is asked and the tables are empty. The same answer to the same
    question is asked about once, whoever gave it.

    Raises:
        EndpointError: a verdict is not in the store, and the endpoint gives none.
        RecordError: answers or scores are missing, or of a run only codes are there.
    """
    rows, replies, planted = _EMPTY[COLUMNS], dict[str, Reply](), list[EndpointQuestion]()
    if params.judge.backend == "endpoint":
        free = _free_answers(prepared, answers, scores, params=params)
        planted = canaries(free, model=str(params.judge.model), max_tokens=params.judge.max_tokens)
        rows, replies = _judged(free, planted, params=params)
    distinct = rows.drop_duplicates("prompt_hash")["verdict"].value_counts()
    counts = {
        "backend": params.judge.backend,
        "model": params.judge.model,
        "rows": len(rows),
        "distinct": rows["prompt_hash"].nunique(),
        "verdicts": {str(verdict): int(count) for verdict, count in distinct.items()},
        "canaries": fallen_for(planted, replies),
        "agreement": agreement_rows(rows),
        "runs": run_rows(rows),
    }
    with fresh_folder(out) as folder:
        write_table(folder / "verdicts.parquet", rows)
        write_table(folder / "asked.parquet", reply_table(replies))
        write_json(folder / "counts.json", counts)
        list_digests(folder)
    return counts


def _free_answers(prepared: Path, answers: Path, scores: Path, *, params: Params) -> pd.DataFrame:
    """Every scored test answer of a free-text task: where it stands, the rules' codes, and the texts."""
    tasks = [task for task, facts in read_evaluations(prepared).items() if facts.kind == "free"]
    items = read_table(scores / "items.parquet")
    items = items[items["task"].isin(tasks) & (items["split"] == "test")][[*WHERE, "strict", "lenient"]]
    asked = [_EMPTY[["item", "question", "gold"]], *(_questions(prepared, task) for task in tasks)]
    given = [_EMPTY[["model", "stage", "run", "item", "answer"]]]
    for model, stage in product(params.models, STAGES):
        for run, table in read_answers(answers / model / stage).items():
            free = table[table["item"].map(task_of).isin(tasks)]
            check_text(free, run=run)
            given.append(free[["item", "answer"]].assign(model=model, stage=stage, run=run))
    rows = items.merge(pd.concat(given), on=["model", "stage", "run", "item"], validate="one_to_one")
    rows = rows.merge(pd.concat(asked), on="item", validate="many_to_one")
    if len(rows) != len(items):
        raise RecordError(
            f"{len(items)} scored free-text answers, but texts of {len(rows)}",
            where=str(scores),
            fix="dvc repro score",
        )
    return rows


def _questions(prepared: Path, task: str) -> pd.DataFrame:
    test = read_split(prepared, task, "test")
    return test[["item", "gold"]].assign(question=test["instruction"] + "\n" + test["input"])


def _judged(
    rows: pd.DataFrame, planted: list[EndpointQuestion], *, params: Params
) -> tuple[pd.DataFrame, dict[str, Reply]]:
    """Ask about each distinct answer and the planted ones; note the verdict in every row that gives it."""
    from cocktail.inference.endpoint.replies import (
        ask_all,  # with judge.backend rules no HTTP library is needed
    )

    texts = zip(rows["question"], rows["gold"], rows["answer"], strict=True)
    model, limit = str(params.judge.model), params.judge.max_tokens
    cases = [case(model=model, max_tokens=limit, question=q, gold=gold, answer=a) for q, gold, a in texts]
    store = Store(store_root())
    replies, counts = ask_all([*cases, *planted], settings=params.endpoint, store=store.root, label="judge")
    if counts["asked"]:
        write_runtime(store.path("judged", digest_value(sorted(replies))), counts)
    keys = [one.key for one in cases]
    verdicts = [read_verdict(replies[key].text) for key in keys]
    return rows.assign(verdict=verdicts, prompt_hash=keys)[COLUMNS].reset_index(drop=True), replies
