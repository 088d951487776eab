"""Open-Orca: general instructions with answers; trained on, never evaluated.

https://huggingface.co/datasets/Open-Orca/OpenOrca (Lian et al. 2023), MIT.

Example (invented): system prompt "You are a helpful assistant.", question "Name a metal." and response
"Iron." The system prompt is the instruction, as in the authors' code; it may be empty.
"""

from __future__ import annotations

from cocktail.tasks.base import Example, Row, Task, optional_text, text_of


def example(row: Row) -> Example:
    """One instruction; equal questions are one cluster."""
    question, answer = text_of(row, "question"), optional_text(row, "response")
    return Example(
        instruction=optional_text(row, "system_prompt"),
        input=question,
        answer=answer,
        gold=answer,
        cluster=question,
    )


TASK = Task(
    name="open_orca",
    kind="free",
    columns=("system_prompt", "question", "response"),
    example=example,
    max_new_tokens=256,
    metric="exact_match",
    evaluates=False,
)
