"""Knowledge: four-way questions of MMLU subjects near finance; evaluated only.

https://huggingface.co/datasets/cais/mmlu (Hendrycks et al. 2021), MIT.

Example (invented): "Which of these is a metal?" with the choices Iron, Wool, Rain, Salt and answer 0 is "A".
"""

from __future__ import annotations

from cocktail.tasks.base import BadRow, Example, Row, Task, label_at, text_of

LABELS = ("A", "B", "C", "D")
INSTRUCTION = "Answer the question with the letter of the right choice."


def example(row: Row) -> Example:
    """One question; equal questions are one cluster."""
    question, choices = text_of(row, "question"), row["choices"]
    if not isinstance(choices, list) or len(choices) != len(LABELS):
        raise BadRow(f"choices is no list of {len(LABELS)}")
    lines = [question, *(f"{letter}. {choice}" for letter, choice in zip(LABELS, choices, strict=True))]
    letter = label_at(row, "answer", LABELS)
    return Example(
        instruction=INSTRUCTION, input="\n".join(lines), answer=letter, gold=letter, cluster=" ".join(lines)
    )


TASK = Task(
    name="knowledge",
    kind="choice",
    columns=("question", "choices", "answer"),
    example=example,
    max_new_tokens=8,
    metric="accuracy",
    groups=("general", "domain"),
    labels=LABELS,
    closing="Answer with one letter (A, B, C or D).",
    trains=False,
)
