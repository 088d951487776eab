"""Named entities in loan agreements: is the named one a person, a location or an organization?

https://huggingface.co/datasets/FinGPT/fingpt-ner-cls (Salinas Alvarado et al. 2015), CC BY 3.0.

Example (invented): "Ada Brenn of Quorvane Ltd signed ." with "What is the entity type of 'Ada Brenn' in the
input sentence. ..." is "person". The set carries its own instruction, which names the entity. The same
sentence comes with several entities and wordings: one cluster.
"""

from __future__ import annotations

from cocktail.tasks.base import Example, Row, Task, label_named, text_of

LABELS = ("person", "location", "organization")


def example(row: Row) -> Example:
    """One entity of one sentence."""
    sentence, label = text_of(row, "input"), label_named(row, "output", LABELS)
    return Example(
        instruction=text_of(row, "instruction"), input=sentence, answer=label, gold=label, cluster=sentence
    )


TASK = Task(
    name="fin_ner_cls",
    kind="label",
    columns=("input", "output", "instruction"),
    example=example,
    max_new_tokens=8,
    metric="accuracy",
    groups=("finance",),
    labels=LABELS,
    closing="Answer in one word (person, location or organization).",
)
