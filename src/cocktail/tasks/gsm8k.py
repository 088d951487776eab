"""GSM8K: word problems of primary school; evaluated only.

https://huggingface.co/datasets/openai/gsm8k (Cobbe et al. 2021), MIT.

Example (invented): "Ada has 3 bolts and buys 4. How many has she?" with "3+4=<<3+4=7>>7 bolts" and, on
the last line, "#### 7" has the gold answer "7". The calculator marks in << >> are taken out.
"""

from __future__ import annotations

import re

from cocktail.tasks.base import BadRow, Example, Row, Task, number_named, text_of
from cocktail.tasks.orca_math import INSTRUCTION


def example(row: Row) -> Example:
    """One problem; the number after #### is the answer."""
    question, solution = text_of(row, "question"), text_of(row, "answer")
    solution = re.sub(r"<<.*?>>", "", solution)
    _, mark, number = solution.rpartition("####")
    if not mark:
        raise BadRow("answer has no ####")
    return Example(
        instruction=INSTRUCTION,
        input=question,
        answer=solution,
        gold=number_named(number.strip()),
        cluster=question,
    )


TASK = Task(
    name="gsm8k",
    kind="number",
    columns=("question", "answer"),
    example=example,
    max_new_tokens=256,
    metric="accuracy",
    groups=("general", "math"),
    trains=False,
)
