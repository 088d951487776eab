"""The texts that ``cocktail new-task`` writes: the task's file, its golden file, its study."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import yaml

from cocktail.config import evaluated_tasks
from cocktail.data.prompts import Item, turns_of
from cocktail.scoring.outcome import Tolerance, judge
from cocktail.studies.new_task.columns import Columns
from cocktail.tasks import Task

INVENTED = "An invented text that stands for a row; no row of the data is in the repository."
MINI_CAP, CAP = 160, 40  # rows a source: with SmolLM2 the grid should take less than an hour of two cores
WIDE = 85  # characters of a written literal
GOLDEN_TOLERANCE = Tolerance(relative=0.01, absolute=1e-6)


@dataclass(frozen=True)
class Wanted:
    """What was asked for on the command line.

    Attributes:
        name: of the task, its source and its study.
        partners: other tasks that are mixed with it.
        cap: rows that it, and each partner, gives a mixture; 0: what the model has time for.
    """

    name: str
    model: str
    source: str
    partners: tuple[str, ...]
    cap: int
    instruction: str
    licence: str


def task_text(wanted: Wanted, columns: Columns, labels: Sequence[str], *, origin: str) -> str:
    """Return the file ``src/cocktail/tasks/<name>.py``."""
    read = dict.fromkeys(filter(None, (columns.text, columns.label, columns.cluster)))
    cluster = f"text_of(row, {_quoted(columns.cluster)})" if columns.cluster else "text"
    shared = f"rows with one {columns.cluster}" if columns.cluster else "equal texts"
    said = ", ".join(labels[:-1]) + f" or {labels[-1]}"
    in_a_word = not any(" " in label for label in labels)
    closing = f"Answer in one word ({said})." if in_a_word else f"Answer with one of these: {said}."
    return f'''"""{wanted.name}: which label fits a text?

From {origin}.
Licence: {wanted.licence}. Written by ``cocktail new-task``, to be edited; its rows are not in the repository.
"""

from __future__ import annotations

from cocktail.tasks.base import Example, Row, Task, label_named, text_of

LABELS = {_tuple(labels)}
INSTRUCTION = {_string(wanted.instruction or f"Which label fits this text: {said}?")}
CLOSING = {_string(closing)}


def example(row: Row) -> Example:
    """One text, one label; {shared} are one cluster."""
    text = text_of(row, {_quoted(columns.text)})
    label = label_named(row, {_quoted(columns.label)}, LABELS)
    return Example(instruction=INSTRUCTION, input=text, answer=label, gold=label, cluster={cluster})


TASK = Task(
    name={_quoted(wanted.name)},
    kind="label",
    columns={_tuple(list(read))},
    example=example,
    max_new_tokens={max(8, 2 + max(map(len, labels)))},
    metric="accuracy",
    groups=("finance",),  # the claims about finance tasks are tested on it, too
    labels=LABELS,
    closing=CLOSING,
)
'''


def _quoted(text: str) -> str:
    """The text as Python writes it, in double quotes."""
    return json.dumps(text, ensure_ascii=False)


def _tuple(texts: Sequence[str]) -> str:
    line = f"({', '.join(map(_quoted, texts))})"
    return line if len(line) < WIDE else "(\n" + "".join(f"    {_quoted(text)},\n" for text in texts) + ")"


def _string(text: str) -> str:
    """A string, over several lines where it is long."""
    if len(text) < WIDE:
        return _quoted(text)
    lines = textwrap.wrap(text, WIDE, break_on_hyphens=False)
    parts = [f"{line} " for line in lines[:-1]] + lines[-1:]
    return "(\n" + "".join(f"    {_quoted(part)}\n" for part in parts) + ")"


def golden(task: Task, columns: Columns, labels: Sequence[str]) -> dict[str, Any]:
    """Return the golden file of a task: an invented row, its prompt, and answers with their scores."""
    row = {columns.text: INVENTED, columns.label: labels[0]}
    row |= {columns.cluster: "invented"} if columns.cluster else {}
    example = task.asked(row)
    first, second = labels[0], labels[1]
    answers = [first, f" {first.upper()}\n", f"The answer is {first}.", second, "", " ".join(labels)]
    outcomes = [
        judge(answer, example.gold, kind=task.kind, labels=tuple(labels), tolerance=GOLDEN_TOLERANCE)
        for answer in answers
    ]
    item = Item(f"{task.name}:test:0", task.name, example.instruction, example.input, example.answer)
    return {
        "row": row,
        "example": asdict(example),
        "prompt": turns_of(item)[0]["content"],
        "scores": [
            {"answer": answer, "strict": outcome.strict, "lenient": outcome.lenient}
            for answer, outcome in zip(answers, outcomes, strict=True)
        ],
    }


def study_text(wanted: Wanted, source: Mapping[str, Any], *, mini: bool) -> str:
    """Return ``conf/study/<name>.yaml``.

    Args:
        wanted: what was asked for.
        source: the entry under ``fetch.sources``.
        mini: whether the model is from scratch.
    """
    capped = [wanted.name, *(name for name in wanted.partners if name in evaluated_tasks())]
    caps = dict.fromkeys(capped, wanted.cap or (MINI_CAP if mini else CAP))
    study = {
        "name": wanted.name,
        "tier": "miniature" if mini else "proxy",
        "tasks": [wanted.name, *wanted.partners],
        "evaluations": [wanted.name],  # asking the partners' sets, too, costs a fifth of the time
        "targets": [wanted.name],
        "include": ["single", "pair", "without", "all"],
        "confirm_seeds": [101, 102, 103],
        "confirm_also": [],
        "confirm_matched": ["chosen", "all"] if mini else ["chosen"],  # "all": two more arms
        "tries": 0,
    }
    longest = 256 if mini else 448
    body = {
        "fetch": {"unused": "leave", "sources": {wanted.name: dict(source)}},
        "study": study,
        "prepare": {"dev_rows": 100, "test_rows": 300},
        "mix": {"caps": caps, "instruction_share": 0.5, "math_share": 0.25},
        "train": {"max_length": longest, "packing": False},
        "answer": {"max_prompt": longest - 16},
    }
    groups = [f"  - override /source: {wanted.source}", f"  - override /model: [{wanted.model}]"]
    head = [
        "# @package _global_",
        f"# Which tasks to mix for {wanted.name}? By `cocktail new-task`, to be edited: docs/your-task.md.",
        "defaults:",
        *groups,
    ]
    return "\n".join(head) + "\n" + yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=110)
