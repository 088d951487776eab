"""Twitter financial news, sentiment: does a tweet make one buy or sell?

https://huggingface.co/datasets/zeroshot/twitter-financial-news-sentiment, MIT.

Example (invented): "$QRV - Quorvane cuts outlook" with label 0 is "Bearish". Tweets hold line breaks and
links; tweets that differ in links only are one cluster.
"""

from __future__ import annotations

from cocktail.tasks.base import Example, Row, Task, label_at, text_of

LABELS = ("Bearish", "Bullish", "Neutral")
INSTRUCTION = "What is the sentiment of this tweet? Answer with one word: Bearish, Bullish or Neutral."


def example(row: Row) -> Example:
    """One tweet, one label."""
    tweet, label = text_of(row, "text"), label_at(row, "label", LABELS)
    return Example(instruction=INSTRUCTION, input=tweet, answer=label, gold=label, cluster=tweet)


TASK = Task(
    name="twitter_sa",
    kind="label",
    columns=("text", "label"),
    example=example,
    max_new_tokens=8,
    metric="accuracy",
    groups=("finance",),
    labels=LABELS,
    closing="Answer in one word (Bearish, Bullish or Neutral).",
)
