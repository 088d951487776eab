"""Twitter financial news, topic: one of twenty.

https://huggingface.co/datasets/zeroshot/twitter-financial-news-topic, MIT.

Example (invented): "Quorvane to pay 3 cents a share &amp; more" with label 4 is "Dividend". The instruction
lists the topics, else no untuned model could answer; several share their first word.
"""

from __future__ import annotations

from cocktail.tasks.base import Example, Row, Task, label_at, text_of

LABELS = (
    "Analyst Update",
    "Fed | Central Banks",
    "Company | Product News",
    "Treasuries | Corporate Debt",
    "Dividend",
    "Earnings",
    "Energy | Oil",
    "Financials",
    "Currencies",
    "General News | Opinion",
    "Gold | Metals | Materials",
    "IPO",
    "Legal | Regulation",
    "M&A | Investments",
    "Macro",
    "Markets",
    "Politics",
    "Personnel Change",
    "Stock Commentary",
    "Stock Movement",
)
INSTRUCTION = f"What is the topic of this tweet? One of: {'; '.join(LABELS)}"


def example(row: Row) -> Example:
    """One tweet, one topic; tweets that differ in links only are one cluster."""
    tweet, label = text_of(row, "text"), label_at(row, "label", LABELS)
    return Example(instruction=INSTRUCTION, input=tweet, answer=label, gold=label, cluster=tweet)


TASK = Task(
    name="twitter_topics",
    kind="label",
    columns=("text", "label"),
    example=example,
    max_new_tokens=16,
    metric="accuracy",
    groups=("finance",),
    labels=LABELS,
    closing="Answer with one topic of the list.",
)
