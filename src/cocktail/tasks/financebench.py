"""FinanceBench: open questions about real filings, answered in free text; evaluated only.

https://huggingface.co/datasets/PatronusAI/financebench (Islam et al. 2023), CC BY-NC 4.0. The passages that
hold the answer are given ("oracle" setting).

Example (invented): evidence "Quorvane 2012: fees 6", question "What were the fees in 2012?", answer "$6.00".
The questions about one filing are one cluster.
"""

from __future__ import annotations

from cocktail.tasks.base import BadRow, Example, Row, Task, optional_text, text_of

INSTRUCTION = "Answer the question from the context."


def example(row: Row) -> Example:
    """One question with its passages."""
    question, answer = text_of(row, "question"), optional_text(row, "answer")
    evidence = row["evidence"]
    if not isinstance(evidence, list) or not all(isinstance(part, dict) for part in evidence):
        raise BadRow("evidence is no list of passages")
    passages = "\n".join(optional_text(part, "evidence_text") for part in evidence if "evidence_text" in part)
    return Example(
        instruction=INSTRUCTION,
        input=f"{passages}\nQuestion: {question}".strip(),
        answer=answer,
        gold=answer,
        cluster=text_of(row, "doc_name"),
    )


TASK = Task(
    name="financebench",
    kind="free",
    columns=("question", "answer", "evidence", "doc_name"),
    example=example,
    max_new_tokens=64,
    metric="accuracy",
    groups=("general", "domain"),
    closing="Answer in a few words.",
    trains=False,
)
