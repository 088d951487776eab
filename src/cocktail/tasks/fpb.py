"""Financial PhraseBank: the sentiment of a sentence of financial news.

https://huggingface.co/datasets/odedovadia/financial_phrasebank_split (Malo et al. 2014), CC BY-NC-SA 3.0.

Example (invented): "Operating profit of Brantor Oyj rose to EUR 4 mn ." with label 2 asks for the sentiment;
the answer is "positive". The answers are lower-case, as in the authors' code.
"""

from __future__ import annotations

from cocktail.tasks.base import Example, Row, Task, label_at, text_of

LABELS = ("negative", "neutral", "positive")
INSTRUCTION = (
    "What is the sentiment of this financial text? Answer with one word: negative, neutral or positive."
)


def example(row: Row) -> Example:
    """One sentence, one label; equal sentences are one cluster."""
    sentence, label = text_of(row, "sentence"), label_at(row, "label", LABELS)
    return Example(instruction=INSTRUCTION, input=sentence, answer=label, gold=label, cluster=sentence)


TASK = Task(
    name="fpb",
    kind="label",
    columns=("sentence", "label"),
    example=example,
    max_new_tokens=8,
    metric="accuracy",
    groups=("finance",),
    labels=LABELS,
    closing="Answer in one word (negative, neutral or positive).",
)
