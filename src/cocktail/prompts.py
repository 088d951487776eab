"""The only place where text is put around an example; training and answering use the same function.

The user turn is instruction, line break, input (an empty part is left out), put into the model's own chat
template and ended where the assistant begins. What is trained on is the answer and the stop token, nothing
else. Prompt and prompt + answer must tokenise alike up to the seam, or the model would be asked something
else than it was trained on.

A row that does not fit is never cut silently: the middle of its input goes, so that the question, which
stands at either end, and the answer stay, and it is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import pandas as pd

from cocktail.errors import RunError

Tokenizer: TypeAlias = Any
"""A transformers tokenizer; not imported here, so that stages without a model start fast."""

IGNORED = -100  # torch's ignore_index: no loss at this position
GAP = " ... "  # stands where the middle of an input was cut
EXTRA_WORDS = 8  # a cut takes this many tokens at least, as joints may tokenise into more


@dataclass(frozen=True)
class Item:
    """A prepared example with its id; ``source`` is the task it comes from."""

    item: str
    source: str
    instruction: str
    input: str
    answer: str


def items_of(table: pd.DataFrame) -> list[Item]:
    """Return the rows of a prepared table as items."""
    columns = ("item", "task", "instruction", "input", "answer")
    return [Item(*values) for values in zip(*(table[column].tolist() for column in columns), strict=True)]


@dataclass(frozen=True)
class Prompt:
    """A rendered prompt: its text, its token ids, and whether the middle of its input was cut."""

    text: str
    ids: tuple[int, ...]
    cut: bool


@dataclass(frozen=True)
class TrainingRow:
    """Token ids of prompt and completion (answer + stop token), and what the completion must decode to."""

    source: str
    prompt: tuple[int, ...]
    completion: tuple[int, ...]
    answer: str
    cut: bool

    @property
    def input_ids(self) -> list[int]:
        return [*self.prompt, *self.completion]

    @property
    def labels(self) -> list[int]:
        """One label per token: IGNORED over the prompt, the token itself over the completion."""
        return [IGNORED] * len(self.prompt) + list(self.completion)


@dataclass
class RowCounts:
    """What became of a source's rows: ``kept`` includes those that were ``cut``."""

    rows_in: int = 0
    kept: int = 0
    cut: int = 0
    dropped: int = 0

    def as_record(self) -> dict[str, int]:
        record = asdict(self)
        return {"in": record.pop("rows_in"), **record}


def stop_id(tokenizer: Tokenizer, stop_token: str) -> int:
    """Return the id of the stop token.

    Raises:
        RunError: the tokenizer does not know it, or pads with it (then stopping could not be learned).
    """
    found = tokenizer.convert_tokens_to_ids(stop_token)
    if found is None or found == tokenizer.unk_token_id:
        raise RunError(f"the tokenizer has no token {stop_token!r}", fix="models.<name>.stop_token")
    if tokenizer.pad_token_id is None or found == tokenizer.pad_token_id:
        raise RunError(
            f"the pad token must exist and differ from the stop token {stop_token!r}", where="tokenizer"
        )
    return int(found)


def prompt_texts(tokenizer: Tokenizer, items: Sequence[Item]) -> list[str]:
    """Render items up to where the assistant's turn begins."""
    turns = [
        [{"role": "user", "content": "\n".join(part for part in (item.instruction, item.input) if part)}]
        for item in items
    ]
    rendered = (
        tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True) if turns else []
    )
    return list(rendered)


def render_prompts(tokenizer: Tokenizer, items: Sequence[Item], *, max_length: int) -> list[Prompt]:
    """Return the prompts of ``items``, each of at most ``max_length`` tokens.

    Raises:
        RunError: an instruction alone is longer: what cannot be asked cannot be scored.
    """
    texts = prompt_texts(tokenizer, items)
    prompts = []
    for item, text, ids in zip(items, texts, _encode(tokenizer, texts), strict=True):
        fits = len(ids) <= max_length
        prompt = Prompt(text, ids, cut=False) if fits else _shortened(tokenizer, item, room=max_length)
        if prompt is None:
            raise RunError(
                f"the instruction alone has more than {max_length} tokens",
                where=item.item,
                fix="a larger answer.max_prompt",
            )
        prompts.append(prompt)
    return prompts


def training_rows(
    tokenizer: Tokenizer,
    items: Sequence[Item],
    *,
    stop_token: str,
    max_length: int,
    overlong: Literal["fail", "drop", "cut"],
) -> tuple[list[TrainingRow], dict[str, RowCounts]]:
    """Tokenise ``items`` for training.

    Args:
        max_length: tokens of prompt, answer and stop token together.
        overlong: what is done with a longer row. ``cut`` takes the middle of the input out, and drops and
            counts a row of which instruction and answer alone are too long.

    Returns:
        The rows in the order of ``items``, and the counts of each source.

    Raises:
        RunError: a row is too long and may not be cut, or prompt and prompt + answer disagree at the seam.
    """
    stop = stop_id(tokenizer, stop_token)
    prompts = render_prompts(tokenizer, items, max_length=10**9)
    wholes = _encode(
        tokenizer, [p.text + item.answer + stop_token for p, item in zip(prompts, items, strict=True)]
    )
    counts: dict[str, RowCounts] = {item.source: RowCounts() for item in items}
    rows = []
    for item, prompt, whole in zip(items, prompts, wholes, strict=True):
        count = counts[item.source]
        count.rows_in += 1
        if len(whole) > max_length:
            if overlong == "fail":
                raise RunError(
                    f"{len(whole)} tokens, but train.max_length is {max_length}",
                    where=item.item,
                    fix="train.overlong=drop or cut, or a larger train.max_length",
                )
            room = max_length - (len(whole) - len(prompt.ids))
            shortened = _shortened(tokenizer, item, room=room) if overlong == "cut" else None
            if shortened is None:
                count.dropped += 1
                continue
            prompt = shortened
            (whole,) = _encode(tokenizer, [prompt.text + item.answer + stop_token])
            count.cut += 1
        if whole[: len(prompt.ids)] != prompt.ids or whole[-1] != stop:
            raise RunError("prompt and prompt + answer tokenise differently at the seam", where=item.item)
        count.kept += 1
        completion = whole[len(prompt.ids) :]
        rows.append(TrainingRow(item.source, prompt.ids, completion, item.answer, cut=prompt.cut))
    return rows, counts


def check_completions(tokenizer: Tokenizer, rows: Iterable[TrainingRow], stop_token: str) -> None:
    """Decode what is trained on and compare it with the answer and the stop token, row by row.

    Raises:
        RunError: it differs somewhere, or a row has nothing to learn.
    """
    rows = list(rows)
    learned = [[label for label in row.labels if label != IGNORED] for row in rows]
    decoded = tokenizer.batch_decode(learned, skip_special_tokens=False)
    for row, ids, text in zip(rows, learned, decoded, strict=True):
        if len(ids) < 2 or ids.count(ids[-1]) != 1 or text != row.answer + stop_token:
            raise RunError(
                f"trained text {text!r} is not the answer {row.answer!r} and {stop_token!r}", where=row.source
            )


def _encode(tokenizer: Tokenizer, texts: Sequence[str]) -> list[tuple[int, ...]]:
    """Tokenise without adding special tokens: the template holds all there are."""
    if not texts:
        return []
    return [tuple(ids) for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"]]


def _shortened(tokenizer: Tokenizer, item: Item, *, room: int) -> Prompt | None:
    """Cut the middle of the input until the prompt has at most ``room`` tokens; None: it never has."""
    offsets = tokenizer(item.input, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    keep = len(offsets)
    prompt = Prompt("", (0,) * (room + 1), cut=True)
    while len(prompt.ids) > room:
        if keep == 0:
            return None
        excess = len(prompt.ids) - room if prompt.text else 0
        keep = max(0, keep - max(excess, EXTRA_WORDS))
        head, tail = (keep + 1) // 2, keep // 2
        left = item.input[: offsets[head - 1][1]] if head else ""
        right = item.input[offsets[len(offsets) - tail][0] :] if tail else ""
        shorter = Item(item.item, item.source, item.instruction, left + GAP + right, item.answer)
        (text,) = prompt_texts(tokenizer, [shorter])
        prompt = Prompt(text, _encode(tokenizer, [text])[0], cut=True)
    return prompt
