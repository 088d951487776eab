"""A model's answers to every evaluation item, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import pandas as pd

from cocktail.data.evaluation_set import EvaluationSet
from cocktail.data.prompts import Prompt, Tokenizer, completions, fit_shots, render_prompts
from cocktail.files.records import digest_text
from cocktail.inference.engine import Engine, Question, Trie, label_trie


@dataclass(frozen=True)
class RenderedSet:
    """An evaluation set with its prompts rendered, ready for any model with this tokenizer.

    Attributes:
        references: token ids of the reference answer of each item, () where its likelihood is not asked.
    """

    asked: EvaluationSet
    prompts: tuple[Prompt, ...]
    tries: Mapping[str, Trie]
    references: tuple[tuple[int, ...], ...]


def render_set(
    tokenizer: Tokenizer, asked: EvaluationSet, *, max_prompt: int, stop_token: str
) -> RenderedSet:
    """Render and tokenise all prompts once; a worker uses them for all its runs.

    Args:
        max_prompt: tokens; of a longer prompt the middle of the input is cut.
    """
    items = asked.items()
    if asked.shots:  # half of the prompt is for the solved examples
        items = fit_shots(tokenizer, items, room=max_prompt // (2 * asked.shots))
    prompts = render_prompts(tokenizer, items, max_length=max_prompt)
    tries: dict[str, Trie] = {}
    for task, prompt in zip(asked.table["task"], prompts, strict=True):
        verbalizers = asked.tasks[task].verbalizers
        if verbalizers and task not in tries:
            tries[task] = label_trie(tokenizer, verbalizers, prompt=prompt, stop_token=stop_token)
    references = _references(tokenizer, asked, prompts, stop_token)
    return RenderedSet(asked, tuple(prompts), tries, references)


def _references(
    tokenizer: Tokenizer, asked: EvaluationSet, prompts: Sequence[Prompt], stop_token: str
) -> tuple[tuple[int, ...], ...]:
    """Tokenise reference answers, without the stop token, up to the length that an answer may have."""
    answers = [reference or "" for reference in asked.references()]
    limits = [asked.tasks[task].max_new_tokens for task in asked.table["task"]]
    written = completions(tokenizer, prompts, answers, stop_token)
    return tuple(
        ids[:-1][:limit] if answer else ()
        for ids, answer, limit in zip(written, answers, limits, strict=True)
    )


def exact_match(engine: Engine, tokenizer: Tokenizer, rendered: RenderedSet) -> float:
    """Return the share of items whose answer is the reference answer, but for space around it."""
    table, tasks = rendered.asked.table, rendered.asked.tasks
    asked = zip(rendered.prompts, table["task"], strict=True)
    written = engine.generate([Question(prompt.ids, tasks[task].max_new_tokens) for prompt, task in asked])
    texts = tokenizer.batch_decode([answer.ids for answer in written], skip_special_tokens=True)
    answers = map(str.strip, table["answer"])
    return fmean(text.strip() == answer for text, answer in zip(texts, answers, strict=True))


def answer_set(engine: Engine, tokenizer: Tokenizer, rendered: RenderedSet) -> pd.DataFrame:
    """Answer every item freely; on the test split decode labels, and ask how likely references are, as well.

    Returns:
        One row per item, in the order of the set.
    """
    table, tasks = rendered.asked.table, rendered.asked.tasks
    questions = [
        Question(
            prompt.ids,
            tasks[task].max_new_tokens,
            rendered.tries.get(task) if split == "test" else None,
            reference,
        )
        for prompt, task, split, reference in zip(
            rendered.prompts, table["task"], table["split"], rendered.references, strict=True
        )
    ]
    written = engine.generate(questions)
    texts = tokenizer.batch_decode([answer.ids for answer in written], skip_special_tokens=True)
    return table[["item", "task", "split", "cluster"]].assign(
        prompt_hash=[digest_text(prompt.text) for prompt in rendered.prompts],
        answer=texts,
        num_tokens=[len(answer.ids) + answer.stopped for answer in written],
        stopped=[answer.stopped for answer in written],
        cut=[prompt.cut for prompt in rendered.prompts],
        label_choice=[answer.label for answer in written],
        reference_logprob=np.array([answer.reference_logprob for answer in written], dtype=np.float32).round(
            4
        ),
    )
