"""Questions on filing pages: ``finqa`` (one question), ``convfinqa`` (turns), ``financebench``.

The answers need the look-up of one or two numbers and, for most, one step of the small arithmetic that
the word problems teach. Answers are floats as text, as in the real sets; a few are yes or no.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cocktail.sources.synthetic.filings import LAST, THIS, FilingPage, page, pages
from cocktail.sources.synthetic.streams import draw, stream
from cocktail.sources.synthetic.world import chance, pick, pick_some

FINQA_INSTRUCTION = "Answer the question about this filing."
CONVERSATION_INSTRUCTION = "Answer the last question from the context and the conversation."


def number_text(value: float) -> str:
    """A number as the sets write answers: ``4.0``, ``-2.0``, ``0.5``."""
    return str(round(float(value), 5))


def question(rng: np.random.Generator, shown: FilingPage) -> tuple[str, str]:
    """Return one self-contained question on a page, and its answer."""
    first, second = (int(index) for index in rng.permutation(len(shown.items))[:2])
    item, other = shown.items[first], shown.items[second]
    now, now_other = shown.this[first], shown.this[second]
    kind = rng.random()
    if shown.last is not None and kind < 0.4:
        before = shown.last[first]
        asked = pick(rng, ((f"{item} {LAST}?", before), (f"change in {item}?", now - before)))
    elif kind < 0.6:
        asked = (f"{item} {THIS}?", now)
    elif kind < 0.75:
        asked = (f"{item} and {other} together {THIS}?", now + now_other)
    elif kind < 0.9:
        asked = (f"{item} less {other} {THIS}?", now - now_other)
    else:
        return f"is {item} above {other} {THIS}?", "yes" if now > now_other else "no"
    return asked[0], number_text(asked[1])


def turns(rng: np.random.Generator, shown: FilingPage) -> list[tuple[str, str]]:
    """Return the questions and answers of one conversation; later ones lean on earlier ones."""
    first, second = (int(index) for index in rng.permutation(len(shown.items))[:2])
    start = shown.this[first]
    if shown.last is not None and chance(rng, 0.6):
        follow, then = f"and {LAST}?", shown.last[first]
    else:
        follow, then = f"and {shown.items[second]}?", shown.this[second]
    made = [(f"{shown.items[first]} {THIS}?", number_text(start)), (follow, number_text(then))]
    last = pick(rng, (("so the difference?", start - then), ("and both together?", start + then)))
    made.append((last[0], number_text(last[1])))
    if chance(rng, 0.15):
        made.append(("was the first one larger?", "yes" if start > then else "no"))
    return made


def finqa_rows(*, seed: int, split: str, count: int) -> list[dict[str, str]]:
    """Return ``count`` rows id, query, answer, text: two questions a page."""
    rng = stream(seed, "finqa", split)
    start = {"train": 0, "dev": 100_000, "test": 200_000}[split]
    made: list[dict[str, str]] = []
    for shown in pages(seed=seed, source="finqa", split=split):
        for words, answer in dict(question(rng, shown) for _ in range(2)).items():
            text = f"{shown.text}\nQuestion: {words}"
            query = f"{FINQA_INSTRUCTION}\nContext: {text}\nAnswer:"
            made.append({"id": f"finqa{start + len(made)}", "query": query, "answer": answer, "text": text})
        if len(made) >= count:
            break
    return made[:count]


def conversation_rows(*, seed: int, split: str, count: int) -> list[dict[str, str]]:
    """Return ``count`` rows input, output, instruction: one row a turn, with the earlier turns shown."""
    rng = stream(seed, "convfinqa", split)
    made: list[dict[str, str]] = []
    for shown in pages(seed=seed, source="convfinqa", split=split):
        talk = ""
        for words, answer in turns(rng, shown):
            talk += f"\nQuestion: {words}\nAnswer:"
            shown_text = f"Context: {shown.text}\nConversations:\n{talk}"
            made.append({"input": shown_text, "output": answer, "instruction": CONVERSATION_INSTRUCTION})
            talk += f" {answer}"
        if len(made) >= count:
            break
    return made[:count]


def bench_rows(*, seed: int, split: str, count: int) -> list[dict[str, object]]:
    """Return ``count`` rows with the columns of FinanceBench, a third of each of its question types."""
    rng = stream(seed, "financebench", split)
    made: list[dict[str, object]] = []
    for number in range(count):
        shown = draw(lambda: page(rng, years=2), text=lambda drawn: drawn.text, test=split == "test")
        kind, ask = _BENCH_KINDS[number % len(_BENCH_KINDS)]
        words, answer, reason = ask(rng, shown)
        name = f"{shown.firm.name.upper()}_2031_10K"
        evidence = {
            "evidence_text": shown.text,
            "doc_name": name,
            "evidence_page_num": int(rng.integers(1, 90)),
            "evidence_text_full_page": shown.text,
        }
        made.append(
            {
                "financebench_id": f"financebench_id_{number:05d}",
                "company": shown.firm.name,
                "doc_name": name,
                "question_type": kind,
                "question_reasoning": None if kind == "novel-generated" else "Numerical reasoning",
                "domain_question_num": f"dg{number % 25 + 1:02d}" if kind == "domain-relevant" else None,
                "question": words,
                "answer": answer,
                "justification": reason,
                "dataset_subset_label": "OPEN_SOURCE",
                "evidence": [evidence],
                "gics_sector": shown.firm.sector.capitalize(),
                "doc_type": "10k",
                "doc_period": 2031,
                "doc_link": f"https://filings.example/{name}.pdf",
            }
        )
    return made


_Asked = tuple[str, str, str | None]


def _metric(rng: np.random.Generator, shown: FilingPage) -> _Asked:
    index = int(rng.integers(len(shown.items)))
    asked = f"What is the amount of {shown.items[index]} of {shown.firm.name} {THIS} (in USD millions)?"
    return asked, f"${shown.this[index]:.2f}", f"The line {shown.items[index]} of the table."


def _judgement(rng: np.random.Generator, shown: FilingPage) -> _Asked:
    index = int(rng.integers(len(shown.items)))
    now, before = shown.this[index], (shown.last or shown.this)[index]
    answer = f"{'Yes' if now > before else 'No'}, from {before} to {now}."
    return f"Did {shown.items[index]} of {shown.firm.name} grow?", answer, None


def _fact(rng: np.random.Generator, shown: FilingPage) -> _Asked:
    two = sorted(pick_some(rng, shown.items, 2))
    most = max(two, key=lambda item: shown.this[shown.items.index(item)])
    return f"Which was larger for {shown.firm.name} {THIS}, {two[0]} or {two[1]}?", most, None


_BENCH_KINDS: tuple[tuple[str, Callable[[np.random.Generator, FilingPage], _Asked]], ...] = (
    ("metrics-generated", _metric),
    ("domain-relevant", _judgement),
    ("novel-generated", _fact),
)
