"""ConvFinQA: connected questions about one page of a filing; the last one is to be answered.

https://huggingface.co/datasets/FinGPT/fingpt-convfinqa (Chen et al. 2022), MIT. Made from FinQA: the same
pages, with short headings left out and tables laid out otherwise.

Example (invented; / is a line break): "Context: the fees of quorvane grew . / year | fees / 2011 | 4 /
2012 | 6 / Conversations: / Question: what were the fees in 2012? / Answer: 6 / Question: and the change? /
Answer:" has the answer "2.0". The set carries its own instruction. All conversations about one page are one
cluster.
"""

from __future__ import annotations

from cocktail.tasks.base import BadRow, Example, Row, Task, number_named, optional_text, text_of


def example(row: Row) -> Example:
    """One turn of a conversation, with the turns before it."""
    text, answer = text_of(row, "input"), optional_text(row, "output")
    page, mark, _ = text.partition("\nConversations:")
    if not mark or not page.removeprefix("Context:").strip():
        raise BadRow("input has no page and conversation")
    page = page.removeprefix("Context:").strip()
    return Example(
        instruction=text_of(row, "instruction"),
        input=text.removesuffix("Answer:").rstrip(),  # the line that asks for the answer comes after it
        answer=answer,
        gold=number_named(answer),
        cluster=page,
        document=page,
    )


TASK = Task(
    name="convfinqa",
    kind="number",
    columns=("input", "output", "instruction"),
    example=example,
    max_new_tokens=24,
    metric="accuracy",
    groups=("finance", "numeric"),
    closing="Answer with one number, or with yes or no.",
)
