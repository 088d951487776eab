"""Training rows: a prompt, and the answer and stop token after it, which alone are trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from cocktail.data.prompts import Item, Tokenizer, completions, render_prompts, shortened
from cocktail.errors import RunError

IGNORED = -100  # torch's ignore_index: no loss at this position


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


def training_rows(
    tokenizer: Tokenizer,
    items: Sequence[Item],
    *,
    stop_token: str,
    max_length: int,
    truncation: Literal["fail", "drop", "cut"],
) -> tuple[list[TrainingRow], dict[str, RowCounts]]:
    """Tokenise ``items`` for training.

    Args:
        max_length: tokens of prompt, answer and stop token together.
        truncation: what is done with a longer row. ``cut`` takes the middle of the input out, and drops and
            counts a row of which instruction and answer alone are too long.

    Returns:
        The rows in the order of ``items``, and the counts of each source.

    Raises:
        RunError: a row is too long and may not be cut.
    """
    prompts = render_prompts(tokenizer, items, max_length=10**9)
    written = completions(tokenizer, prompts, [item.answer for item in items], stop_token)
    counts: dict[str, RowCounts] = {item.source: RowCounts() for item in items}
    rows = []
    for item, prompt, completion in zip(items, prompts, written, strict=True):
        count = counts[item.source]
        count.rows_in += 1
        length = len(prompt.ids) + len(completion)
        if length > max_length:
            if truncation == "fail":
                raise RunError(
                    f"{length} tokens, but train.max_length is {max_length}",
                    where=item.item,
                    fix="train.truncation=drop or cut, or a larger train.max_length",
                )
            room = max_length - len(completion)
            shorter = shortened(tokenizer, item, room=room) if truncation == "cut" else None
            if shorter is None:
                count.dropped += 1
                continue
            prompt = shorter
            completion = completions(tokenizer, [prompt], [item.answer], stop_token)[0]
            count.cut += 1
        count.kept += 1
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
