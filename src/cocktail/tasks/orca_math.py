"""Orca-Math: word problems with worked solutions; trained on, never evaluated.

https://huggingface.co/datasets/microsoft/orca-math-word-problems-200k (Mitra et al. 2024), MIT.

Example (invented): "Ada has 3 bolts and buys 4. How many has she?" has the answer "3 + 4 = 7".
"""

from __future__ import annotations

from cocktail.tasks.base import Example, Row, Task, optional_text, text_of

INSTRUCTION = "Solve the word problem step by step."


def example(row: Row) -> Example:
    """One problem; equal problems are one cluster."""
    question, answer = text_of(row, "question"), optional_text(row, "answer")
    return Example(instruction=INSTRUCTION, input=question, answer=answer, gold=answer, cluster=question)


TASK = Task(
    name="orca_math",
    kind="free",
    columns=("question", "answer"),
    example=example,
    max_new_tokens=256,
    metric="exact_match",
    evaluates=False,
)
