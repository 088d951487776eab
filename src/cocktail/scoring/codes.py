"""Answers as codes, item by item: all that later stages need of an answer, without its text.

Licences of real data forbid their text in git, and an answer may repeat it; codes may stand there. Every
answer is turned into codes before it is counted, so that a run kept as codes has the scores of its text.
Codes hold for the rules, the tolerance and the gold that they were made with; kept ones say which.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import pandas as pd

from cocktail.data.grid import Asked
from cocktail.data.table import BASIS
from cocktail.errors import DataError, RecordError
from cocktail.files.records import digest_value
from cocktail.scoring.answers import Evaluation, asked_items, check_whole
from cocktail.scoring.outcome import INVALID, RULES, Code, Tolerance, judge

COLUMNS = ["item", "strict", "lenient", "read", "label_choice", "stopped", "empty", "reference_logprob"]
_TYPES: dict[str, Any] = {"stopped": bool, "empty": bool, "reference_logprob": "float32"}
_ITEM = re.compile(r"\w+:\w+:\d+")
CODES = ["strict", "lenient", "knowledge"]
LOGPROB = "reference_logprob"  # nats a token, on test items of what is not trained on


def code_answers(
    answers: pd.DataFrame,
    evaluations: Mapping[str, Evaluation],
    *,
    run: str,
    asked: Sequence[Asked],
    tolerance: Tolerance,
) -> pd.DataFrame:
    """Judge every answer of one run; what is kept as codes was judged before.

    Args:
        asked: what the run has to answer.

    Returns:
        One row per item in the order of the prepared data: item; strict, lenient; read, the label that was
        read strictly (``INVALID`` where none was, "" where the task has no labels); label_choice; stopped;
        empty; reference_logprob (float32, NaN where it was not asked).

    Raises:
        RecordError: the run does not answer each item exactly once, or its codes were made otherwise.
        DataError: a gold answer cannot be scored.
    """
    check_whole(answers, evaluations, run=run, asked=asked)
    coded = answers[~_texts(answers)]
    for task, made_with in coded.groupby(coded["item"].map(task_of))[BASIS] if len(coded) else ():
        _check_basis(made_with, basis(evaluations[str(task)], tolerance=tolerance), run=run)
    given = answers[_texts(answers)].set_index("item")
    parts = [coded.reindex(columns=COLUMNS).astype(_TYPES)]
    for one in asked:
        rows = asked_items(evaluations[one.task], one)
        mine = rows[rows["item"].isin(given.index)]
        if len(mine):
            columns = given[["answer", "label_choice", "stopped", "reference_logprob"]]
            parts.append(_coded(columns, mine, evaluations[one.task], tolerance=tolerance))
    codes = pd.concat([part for part in parts if len(part)], ignore_index=True)
    order = {item: n for n, item in enumerate(i for e in evaluations.values() for i in e.gold["item"])}
    return codes.sort_values("item", key=lambda items: items.map(order), ignore_index=True)


def has_text(answers: pd.DataFrame) -> bool:
    """Tell whether a run's table holds the text of any answer."""
    return bool(_texts(answers).any())


def is_coded(answers: pd.DataFrame) -> bool:
    """Tell whether a run's table holds codes in place of any answer."""
    return not bool(_texts(answers).all())


def check_text(answers: pd.DataFrame, *, run: str) -> None:
    """Refuse answers of which only codes are there.

    Raises:
        RecordError: the run is kept as codes.
    """
    if is_coded(answers):
        raise RecordError(
            f"run {run} is kept as codes, and this needs the text of its answers",
            fix="judge.backend=rules; or take the run's files out of reports/studies/ and repeat its stage "
            "with dvc repro --force: it is trained again",
        )


def _texts(answers: pd.DataFrame) -> pd.Series[bool]:
    """Which rows hold an answer's text."""
    if BASIS not in answers:
        return pd.Series(True, index=answers.index)
    return answers[BASIS].isna()


def basis(evaluation: Evaluation, *, tolerance: Tolerance) -> str:
    """Return what decides the codes of a task's answers: rules, tolerance, digest of labels and gold."""
    gold = evaluation.gold[["item", "gold"]].to_numpy().tolist()
    numbers = f"{tolerance.relative!r} {tolerance.absolute!r}"
    digest = digest_value([evaluation.task, evaluation.kind, list(evaluation.labels), gold])[:16]
    return f"rules {RULES}, tolerance {numbers}, gold {digest}"


def task_of(item: str) -> str:
    """Return the task of an item ("fpb:test:17")."""
    return item.partition(":")[0]


def check_codes(codes: pd.DataFrame, evaluations: Mapping[str, Evaluation]) -> None:
    """Refuse a table in which anything stands but ids, codes and the labels of the tasks.

    Raises:
        RecordError: names columns, never what stands there.
    """
    wrong = [] if list(codes.columns) == COLUMNS else [f"the columns are not {', '.join(COLUMNS)}"]
    if not wrong:
        wrong = [name for name, kind in _TYPES.items() if codes[name].dtype != kind]
        ours = {item for one in evaluations.values() for item in one.gold["item"]}
        if not all(item in ours and _ITEM.fullmatch(item) for item in codes["item"]):
            wrong.append("item")
        for one in evaluations.values():
            mine = codes[codes["item"].isin(one.gold["item"])]
            wrong += [
                f"{name} of {one.task}" for name, known in _known(one).items() if not set(mine[name]) <= known
            ]
    if wrong:
        raise RecordError(f"something else than ids, codes and labels: {'; '.join(wrong)}")


def _known(evaluation: Evaluation) -> dict[str, set[str]]:
    labels, codes = set(evaluation.labels), set(get_args(Code))
    return {
        "strict": codes,
        "lenient": codes,
        "read": {*labels, INVALID} if evaluation.has_labels else {""},
        "label_choice": {*labels, ""},
    }


def _check_basis(found: pd.Series[str], here: str, *, run: str) -> None:
    other = sorted(set(found) - {here})
    if other:
        raise RecordError(
            f"run {run} is kept as codes made with {other[0]}; here are {here}",
            fix="set score in params.yaml and the data back; or, as the text is needed, take the run's files "
            "out of reports/studies/ and repeat its stage with dvc repro --force: it is trained again",
        )


def _coded(
    given: pd.DataFrame, asked: pd.DataFrame, evaluation: Evaluation, *, tolerance: Tolerance
) -> pd.DataFrame:
    rows = asked[["item", "gold"]].join(given, on="item", validate="one_to_one")
    try:
        outcomes = [
            judge(answer, gold, kind=evaluation.kind, labels=evaluation.labels, tolerance=tolerance)
            for answer, gold in zip(rows["answer"], rows["gold"], strict=True)
        ]
    except DataError as error:
        raise DataError(error.what, where=f"prepared data of {evaluation.task}", fix=error.fix) from None
    return rows.assign(
        strict=[one.strict for one in outcomes],
        lenient=[one.lenient for one in outcomes],
        read=[one.read_strict if evaluation.has_labels else "" for one in outcomes],
        empty=(rows["answer"].str.strip() == "").astype(bool),
    )[COLUMNS]


def score_items(
    answers: pd.DataFrame,
    evaluations: Mapping[str, Evaluation],
    *,
    run: str,
    asked: Sequence[Asked],
    tolerance: Tolerance,
) -> pd.DataFrame:
    """Score one run, given as answers or as codes.

    Returns:
        One row per item in the order of the prepared data: task, split, item, cluster, gold, the codes, and
        read, label_choice, stopped, empty, reference_logprob.

    Raises:
        RecordError: the run does not answer each item exactly once, or its codes were made otherwise.
        DataError: a gold answer cannot be scored.
    """
    codes = code_answers(answers, evaluations, run=run, asked=asked, tolerance=tolerance).set_index("item")
    parts = []
    for one in asked:
        gold = asked_items(evaluations[one.task], one)
        rows = gold.join(codes, on="item", validate="one_to_one").assign(task=one.task)
        knowledge = [
            ("ok" if choice == gold else "wrong") if choice else ""
            for choice, gold in zip(rows["label_choice"], rows["gold"], strict=True)
        ]
        parts.append(rows.assign(knowledge=pd.Series(knowledge, index=rows.index, dtype="str")))
    return pd.concat(parts, ignore_index=True)
