"""FinQA: a question about one page of a filing, answered by a calculation.

https://huggingface.co/datasets/ChanceFocus/flare-finqa (Chen et al. 2021), MIT. ``text`` is the page, then
"Question: ...".

Example (invented; / is a line break): "the fees of quorvane grew . / |year|fees| / |2011|4| / |2012|6| /
Question: what was the change in fees?" has the answer "2". A few answers are yes or no. The questions of one
page are one cluster.
"""

from __future__ import annotations

from cocktail.tasks.base import BadRow, Example, Row, Task, number_named, optional_text, text_of

INSTRUCTION = "Answer the question from the context with a number."


def example(row: Row) -> Example:
    """One question about one page."""
    text, answer = text_of(row, "text"), optional_text(row, "answer")
    page, mark, _ = text.rpartition("\nQuestion:")
    if not mark or not page.strip():
        raise BadRow("text has no page and question")
    page = page.removeprefix("Context:").strip()
    return Example(
        instruction=INSTRUCTION,
        input=text,
        answer=answer,
        gold=number_named(answer),
        cluster=page,
        document=page,
    )


TASK = Task(
    name="finqa",
    kind="number",
    columns=("answer", "text"),
    example=example,
    max_new_tokens=24,
    metric="accuracy",
    groups=("finance", "numeric"),
    closing="Answer with one number, or with yes or no.",
)
