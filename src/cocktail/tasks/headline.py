"""Gold headlines: nine yes/no questions about each headline.

https://huggingface.co/datasets/FinGPT/fingpt-headline-cls (Sinha and Khandait 2020), licence unclear,
non-commercial.

Example (invented): "kellum gold up 3 dollars on tuesday" with "Does the news headline talk about price going
up? ..." is "Yes". The set carries its own instruction. The questions of one headline are one cluster.
"""

from __future__ import annotations

from cocktail.tasks.base import Example, Row, Task, label_named, text_of

LABELS = ("Yes", "No")


def example(row: Row) -> Example:
    """One question about one headline."""
    headline, label = text_of(row, "input"), label_named(row, "output", LABELS)
    return Example(
        instruction=text_of(row, "instruction"), input=headline, answer=label, gold=label, cluster=headline
    )


TASK = Task(
    name="headline",
    kind="label",
    columns=("input", "output", "instruction"),
    example=example,
    max_new_tokens=8,
    metric="accuracy",
    groups=("finance",),
    labels=LABELS,
    closing="Answer in one word (Yes or No).",
)
