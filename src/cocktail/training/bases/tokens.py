"""Whatever a real tokenizer brings, settled in one place, once, before it is written into a base's folder.

After :func:`settle` a tokenizer has a chat template, a stop token, and a pad token that is not the stop
token. What the template and the tokenizer do with BOS, system turns and special tokens
inside the data is settled where prompts are rendered (:mod:`cocktail.data.prompts`).
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from tokenizers import AddedToken

from cocktail.data.prompts import DATE, Item, Tokenizer, render_prompts, special_ids, token_id
from cocktail.errors import RunError
from cocktail.files.records import read_json

# Tokens set aside for padding (Llama 3.1, Gemma, Phi, BERT), then one that ends documents, which in a
# chat is never written: SmolLM2 has no other. Padding is masked, so any but the stop token will do.
SPARE_PADS = ("<|finetune_right_pad_id|>", "<pad>", "<|pad|>", "[PAD]", "<|endoftext|>", "<unk>", "<unused0>")
ASKS_THE_CLOCK = re.compile(r"strftime_now\(\s*([\"'])(.*?)\1\s*\)")
DAY = datetime.strptime(DATE, "%d %b %Y")


def settle(tokenizer: Tokenizer, *, stop_token: str, chat_template: str | None, where: str) -> None:
    """Give a tokenizer what training and answering rely on.

    Args:
        stop_token: ends every assistant turn; it must be in the vocabulary as one token.
        chat_template: takes the place of the tokenizer's own; None: the own one must be there.
        where: what an error names.

    Raises:
        RunError: no chat template, no such stop token, or no token to pad with.
    """
    own = tokenizer.chat_template
    if isinstance(own, dict):  # several by name
        own = own.get("default")
    tokenizer.chat_template = _with_fixed_day((own if chat_template is None else chat_template) or "")
    if not tokenizer.chat_template:
        raise RunError(
            "the model has no chat template (a base model?)",
            where=where,
            fix="models.<name>.chat_template, made of turn tokens that its vocabulary has",
        )
    stop = token_id(tokenizer, stop_token, where=where)
    if stop not in special_ids(tokenizer):  # else its text inside the data would end a turn
        tokenizer.add_tokens(AddedToken(stop_token, normalized=False, special=True), special_tokens=True)
    tokenizer.clean_up_tokenization_spaces = False  # it would rewrite answers ("a , b" to "a, b")
    if tokenizer.pad_token_id in (None, stop):
        vocabulary = tokenizer.get_vocab()
        pad = next((token for token in SPARE_PADS if vocabulary.get(token) not in (None, stop)), None)
        if pad is None:
            raise RunError(
                "no pad token that differs from the stop token",
                where=where,
                fix=f"a tokenizer with one of {', '.join(SPARE_PADS)}",
            )
        tokenizer.pad_token = pad
    _check_template(tokenizer, where=where)


def _with_fixed_day(template: str) -> str:
    """Take the clock out of a template (gpt-oss and SmolLM3 ask it for the day): one prompt, every day."""
    return ASKS_THE_CLOCK.sub(lambda asked: repr(DAY.strftime(asked[2])), template)


def _check_template(tokenizer: Tokenizer, *, where: str) -> None:
    """Render one chat: what is wrong with a template shows now and not in the first run."""
    shown = "\ue000"
    try:
        (prompt,) = render_prompts(tokenizer, [Item("", "", shown, "", "")], max_length=10**9)
    except (TemplateError, TypeError) as error:
        raise RunError(f"the chat template cannot be rendered ({error})", where=where) from None
    if shown not in prompt.text:
        raise RunError("the chat template leaves the question out", where=where)


def end_ids(folder: Path, tokenizer: Tokenizer, stop_token: str) -> tuple[int, ...]:
    """Return the ids that end an answer: the stop token first, then what else the model's files call an end.

    Instruct models name several (Llama 3.1: end of turn, of message, of text); whichever comes first ends.

    Args:
        folder: of the base; reads eos_token_id of config.json and generation_config.json.
    """
    ends = [token_id(tokenizer, stop_token, where=str(folder))]
    for name in ("config.json", "generation_config.json"):
        named: Any = read_json(folder / name).get("eos_token_id") if (folder / name).is_file() else None
        ends += named if isinstance(named, list) else [] if named is None else [named]
    return tuple(dict.fromkeys(end for end in ends if 0 <= end < len(tokenizer)))
