"""The only place where text is put around an example; training and answering use the same function.

The user turn is instruction, line break, input (an empty part is left out), put into the model's own chat
template and ended where the assistant begins. Solved examples (shots) are earlier turns of the same chat.

What a real tokenizer and its template bring is settled here: a default system turn stays, as the model was
tuned with it; BOS stands once, whether template or tokenizer adds it; a date in the template is a fixed one;
what looks like a special token inside the data stays text.

A row that does not fit is never cut silently: the middle of its input goes, so that the question, which
stands at either end, and the answer stay, and it is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, TypeAlias

import pandas as pd

from cocktail.errors import RunError, near

Tokenizer: TypeAlias = Any
"""A transformers tokenizer; not imported here, so that stages without a model start fast."""

Turns: TypeAlias = list[dict[str, str]]
"""A chat: ``role`` and ``content`` of each turn."""

GAP = " ... "  # stands where the middle of an input was cut
EXTRA_WORDS = 8  # a cut takes this many tokens at least, as joints may tokenise into more
DATE = "26 Jul 2024"  # for templates that name the day (Llama 3): one prompt, every day
SHOWN = 200  # special tokens that a message offers the nearest of
MARK = "\ue000{}\ue001"  # private characters: stands for a turn's content while a template is taken apart


@dataclass(frozen=True)
class Item:
    """A prepared example with its id; ``source`` is the task it comes from, ``shots`` are shown before it."""

    item: str
    source: str
    instruction: str
    input: str
    answer: str
    shots: tuple[Item, ...] = ()

    @property
    def question(self) -> str:
        """The user's turn."""
        return "\n".join(part for part in (self.instruction, self.input) if part)


def items_of(table: pd.DataFrame) -> list[Item]:
    """Return the rows of a prepared table as items."""
    columns = ("item", "task", "instruction", "input", "answer")
    return [Item(*values) for values in zip(*(table[column].tolist() for column in columns), strict=True)]


def turns_of(item: Item) -> Turns:
    """Return the chat that asks an item, up to and with the user's last turn."""
    turns: Turns = []
    for shot in item.shots:
        turns += [{"role": "user", "content": shot.question}, {"role": "assistant", "content": shot.answer}]
    return [*turns, {"role": "user", "content": item.question}]


@dataclass(frozen=True)
class Prompt:
    """A rendered prompt: its text, its token ids, and whether the middle of its input was cut."""

    text: str
    ids: tuple[int, ...]
    cut: bool


def render_prompts(tokenizer: Tokenizer, items: Sequence[Item], *, max_length: int) -> list[Prompt]:
    """Return the prompts of ``items``, each of at most ``max_length`` tokens.

    Raises:
        RunError: an instruction alone is longer: what cannot be asked cannot be scored.
    """
    whole = _rendered(tokenizer, items)
    prompts = []
    for item, prompt in zip(items, whole, strict=True):
        fits = len(prompt.ids) <= max_length
        shown = prompt if fits else shortened(tokenizer, item, room=max_length)
        if shown is None:
            raise RunError(
                f"the instruction alone has more than {max_length} tokens",
                where=item.item,
                fix="a larger answer.max_prompt",
            )
        prompts.append(shown)
    return prompts


def shortened(tokenizer: Tokenizer, item: Item, *, room: int) -> Prompt | None:
    """Cut the middle of the input until the prompt has at most ``room`` tokens; None: it never has."""
    cut = _cut(tokenizer, item, room=room)
    return cut[1] if cut else None


def fit_shots(tokenizer: Tokenizer, items: Sequence[Item], *, room: int) -> list[Item]:
    """Return ``items`` with solved examples of ``room`` tokens at most; longer ones lose their middle."""
    fitted: dict[str, Item] = {}
    for shot in {shot.item: shot for item in items for shot in item.shots}.values():
        long = len(_rendered(tokenizer, [shot])[0].ids) > room
        cut = _cut(tokenizer, shot, room=room) if long else None
        fitted[shot.item] = cut[0] if cut else shot
    return [replace(item, shots=tuple(fitted[shot.item] for shot in item.shots)) for item in items]


def _cut(tokenizer: Tokenizer, item: Item, *, room: int) -> tuple[Item, Prompt] | None:
    offsets = tokenizer(
        item.input, add_special_tokens=False, return_offsets_mapping=True, split_special_tokens=True
    )["offset_mapping"]
    keep = len(offsets)
    shorter, prompt = item, Prompt("", (0,) * (room + 1), cut=True)
    while len(prompt.ids) > room:
        if keep == 0:
            return None
        excess = len(prompt.ids) - room if prompt.text else 0
        keep = max(0, keep - max(excess, EXTRA_WORDS))
        head, tail = (keep + 1) // 2, keep // 2
        left = item.input[: offsets[head - 1][1]] if head else ""
        right = item.input[offsets[len(offsets) - tail][0] :] if tail else ""
        shorter = replace(item, input=left + GAP + right)
        prompt = replace(_rendered(tokenizer, [shorter])[0], cut=True)
    return shorter, prompt


def completions(
    tokenizer: Tokenizer, prompts: Sequence[Prompt], answers: Sequence[str], stop_token: str
) -> list[tuple[int, ...]]:
    """Return the ids of each answer and the stop token as they follow its prompt's ids.

    Together prompt and answer may tokenise differently over the seam, and the answer may hold what looks like
    a special token; then the answer is tokenised alone: the model will be asked with the prompt's ids.
    """
    stop, special = token_id(tokenizer, stop_token), special_ids(tokenizer)
    texts = [prompt.text + answer + stop_token for prompt, answer in zip(prompts, answers, strict=True)]
    found = []
    for prompt, answer, whole in zip(prompts, answers, _encode(tokenizer, texts), strict=True):
        written = whole[len(prompt.ids) :]
        if whole[: len(prompt.ids)] != prompt.ids or [i for i in written if i in special] != [stop]:
            written = (*_encode(tokenizer, [answer], as_text=True)[0], stop)
        found.append(written)
    return found


def token_id(tokenizer: Tokenizer, token: str, *, where: str = "tokenizer") -> int:
    """Return the id of a special token.

    Raises:
        RunError: the vocabulary does not hold it as one token.
    """
    found = tokenizer.get_vocab().get(token)
    if found is None:
        special = [str(one) for one in tokenizer.added_tokens_decoder.values()][:SHOWN]
        raise RunError(
            f"the vocabulary has no stop token {token!r}{near(token, special) if special else ''}",
            where=where,
            fix="models.<name>.stop_token",
        )
    return int(found)


def adds_bos(tokenizer: Tokenizer) -> bool:
    """Whether the tokenizer itself puts BOS before a text."""
    first = tokenizer("")["input_ids"][:1]
    return bool(first) and first[0] == tokenizer.bos_token_id


def special_ids(tokenizer: Tokenizer) -> frozenset[int]:
    """Return the ids of tokens that steer a model: turns, ends, padding."""
    return frozenset(token for token, added in tokenizer.added_tokens_decoder.items() if added.special)


def _rendered(tokenizer: Tokenizer, items: Sequence[Item]) -> list[Prompt]:
    chats = [turns_of(item) for item in items]
    if not chats:
        return []
    bos = str(tokenizer.bos_token) if adds_bos(tokenizer) else ""
    texts = _apply(tokenizer, chats, bos=bos)
    blanks = {
        tuple(turn["role"] for turn in chat): [{**turn, "content": "a"} for turn in chat] for chat in chats
    }
    blank_ids = _encode(tokenizer, _apply(tokenizer, list(blanks.values()), bos=bos))
    special = special_ids(tokenizer)
    of_template = {
        roles: [token for token in ids if token in special]
        for roles, ids in zip(blanks, blank_ids, strict=True)
    }
    prompts = []
    for chat, text, ids in zip(chats, texts, _encode(tokenizer, texts), strict=True):
        if [token for token in ids if token in special] != of_template[tuple(turn["role"] for turn in chat)]:
            ids = _piecewise(tokenizer, chat, text, bos=bos)  # the data hold the text of a special token
        prompts.append(Prompt(text, ids, cut=False))
    return prompts


def _apply(tokenizer: Tokenizer, chats: Sequence[Turns], *, bos: str) -> list[str]:
    texts = tokenizer.apply_chat_template(
        list(chats), tokenize=False, add_generation_prompt=True, date_string=DATE
    )
    return [text if text.startswith(bos) else bos + text for text in texts]


def _piecewise(tokenizer: Tokenizer, chat: Turns, text: str, *, bos: str) -> tuple[int, ...]:
    """Tokenise template and contents apart: special tokens count in the template only."""
    marks = [MARK.format(number) for number in range(len(chat))]
    (rest,) = _apply(
        tokenizer, [[{**turn, "content": m} for turn, m in zip(chat, marks, strict=True)]], bos=bos
    )
    pieces: list[tuple[int, ...]] = []
    for turn, mark in zip(chat, marks, strict=True):
        before, _, rest = rest.partition(mark)
        shown = turn["content"] if turn["content"] in text else turn["content"].strip()  # many trim
        pieces += [*_encode(tokenizer, [before]), *_encode(tokenizer, [shown], as_text=True)]
    return tuple(chain(*pieces, *_encode(tokenizer, [rest])))


def _encode(tokenizer: Tokenizer, texts: Sequence[str], *, as_text: bool = False) -> list[tuple[int, ...]]:
    """Tokenise without adding special tokens; ``as_text``: nor is the text of one taken for it."""
    if not texts:
        return []
    encoded = tokenizer(list(texts), add_special_tokens=False, split_special_tokens=as_text)
    return [tuple(ids) for ids in encoded["input_ids"]]
