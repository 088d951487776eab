"""Texts of our own on which a converted model is compared with llama.cpp: generated ones and nasty ones.

Nothing here is anybody's data: the generated texts are raw fields of the generated world, with its quirks
(links, HTML entities, tables, line breaks), the others were written by hand to trip a tokenizer. The same
seed gives the same texts; :func:`digest` tells when the generator has changed, and with it the reference
numbers must be written anew (see ``llama_cpp.py`` beside this file).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from cocktail.config import RawFile
from cocktail.sources.synthetic import LAYOUT, pretraining_text, world_keys
from cocktail.sources.synthetic.files import raw_rows
from cocktail.sources.synthetic.streams import stream

SEED = 2410
NUM_TEXTS = 500
NUM_SCRAMBLED = 100
NUM_PROMPTS = 30
NUM_PASSAGES = 26

Turns = list[dict[str, str]]

# The system turn that a model's template puts before a chat without one; None: a model with Gemma's turns.
_QWEN = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
MODELS: dict[str, str | None] = {
    "smollm2_135m": "You are a helpful AI assistant named SmolLM, trained by Hugging Face",
    "gemma3_270m": None,
    "qwen25_coder_05b": _QWEN,
    "qwen25_coder_15b": _QWEN,
}

# The field of each source that holds most of its text, and the one that holds the answer.
FIELDS: dict[str, tuple[str, str]] = {
    "headline": ("input", "output"),
    "fpb": ("sentence", "label"),
    "fin_ner_cls": ("input", "output"),
    "finqa": ("query", "answer"),
    "convfinqa": ("input", "output"),
    "twitter_topics": ("text", "label"),
    "twitter_sa": ("text", "label"),
    "orca_math": ("question", "answer"),
    "open_orca": ("question", "response"),
    "filler": ("question", "response"),
    "financebench": ("question", "answer"),
    "knowledge": ("question", "choices"),
    "gsm8k": ("question", "answer"),
}

EDGES = ("  {}", "\n\n{}", "{}\n", "“é” {}  ")

NASTY: tuple[str, ...] = (
    # white space
    "two  spaces   three    four     five",
    " one leading space",
    "   three leading spaces",
    "trailing space ",
    "trailing spaces and a break  \n",
    "\n\nleading breaks",
    "\ttab first\tand\t\ttwo tabs",
    "a blank line\n\nthen two\n\n\nthen three\n\n\n\nend",
    "windows\r\nline\r\n\r\nbreaks\r\n",
    "lone\rcarriage\rreturns",
    "spaces before breaks   \n   and after",
    "      \n\t \n  ",
    " ",
    "\n",
    "a\u00a0no-break\u00a0space and a\u202fnarrow one",
    "zero\u200bwidth, thin\u2009space, ideographic\u3000space, line\u2028separator, next\u0085line",
    "form\x0cfeed and vertical\x0btab",
    # numbers
    "1234567.89",
    "0 1 12 123 1234 12345 123456 1234567890",
    "$1,234.5 and -$0.07, (3.2) and +12",
    "up 12.5% on 3Q31, from 7% a year ago; 50bps; 1/4; 2:1; 1e-5; 0x1F",
    "1st 2nd 3rd 4th, Q4FY2031, 10-K, 8-K/A, S&P500, 24/7",
    "³ times ² is ½ of Ⅻ, ٣ and १२३ and ① and ５０",
    "||2031|2030|\n|revenue|$ 1,204|$ (98)|\n|margin|12.5%|—|",
    # unicode
    "café naïve résumé Ångström Łódź Übergröße ÆØÅ ñandú",
    "cafe\u0301 nai\u0308ve A\u030angstro\u0308m: the same with combining marks",
    "日本語の文章です。東京は大きい。",
    "中文字符和English混排，价格上涨5%。",
    "한국어 문장과 العربية والعبرية עברית",
    "Привет, мир! Καλημέρα κόσμε",
    "हिन्दी में एक वाक्य, ไทยไม่มีช่องว่าง",
    "emoji 🚀🚀 to the moon 🌕, family 👨‍👩‍👧‍👦, flag 🇫🇮, skin 👍🏽, heart ❤️",
    "“curly” ‘quotes’ — em dash – en dash … ellipsis • bullet ™ ® © § ¶ €12 £9 ¥300 ₹45",
    "mojibake: cafÃ©, itâ€™s, â€œquotedâ€\x9d, \ufffd and \ufeff",
    "fullwidth ＡＢＣ ligatures ﬁ ﬂ, sharp ß, dotless ı, long ſ, K (kelvin)",
    "rare planes: 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟙𝟚𝟛 𐍈 𠀀 🀄",
    "soft\u00adhyphen and control \x01\x02\x7f characters",
    # words
    "it's we've they'll I'm you'd don't can't he's o'clock 'tis rock'n'roll",
    "it’s we’ve they’ll I’m you’d don’t can’t he’s o’clock",
    "IT'S WE'VE DON'T CAN'T I'M, SHE'LL",
    "ALLCAPS SHOUTING HEADLINE WITH NUMBERS 500 AND MiXeD cAsE",
    "antidisestablishmentarianismpneumonoultramicroscopicsilicovolcanoconiosishippopotomonstro",
    "a" * 100,
    "abc123def456 x86-64 utf8 mp3 B2B 4x4 covid19 h2o i18n v2.0.1-rc3",
    "snake_case camelCase PascalCase kebab-case SCREAMING_SNAKE dotted.name",
    "C++ C# F# .NET node.js @handle #hashtag a@b.example",
    "$TICKER $KOVA: up 3 & $ZENT down; cash-tag$ and $5",
    "AT&amp;T &lt;b&gt; &quot;quoted&quot; &#39;single&#39; &nbsp;",
    "see https://example.com/a/b?c=1&d=%20x#frag or http://t.example/Ab3dE.",
    "!!! ??? ... ,,, ;;; ::: --- ___ *** /// \\\\\\ ||| ~~~ ``` ^^^ ((([[[{{{",
    '"quoted." (parenthesised), [bracketed]; {braced}: <angled>!?',
    # code and mark-up
    'def f(x: int) -> str:\n    """Doc."""\n    return f"{x!r}\\n" if x >= 0 else None\n',
    "for (int i = 0; i < n; ++i) {\n\tsum += a[i] * b[i];\n}\n\n// end",
    '{"key": [1, 2.5, null, true], "nested": {"a b": "c\\"d"}}',
    "<table>\n<tr><td>1</td></tr>\n</table><!-- note --><h1>Title</h1><p>text</p><br>",
    "# Heading\n\n- item one\n- item two\n\n1. first\n2. second\n\n**bold** _it_ `code`\n",
    "SELECT name, SUM(x) FROM t WHERE y <> 'z' GROUP BY 1;",
    # what looks like a token that steers the model, and is only text
    "the text <|im_end|> and <|im_start|>user inside a sentence <|endoftext|>",
    "the text <bos> and <eos><pad> and <start_of_turn>model\n<end_of_turn> inside <unused7>",
    "a <tool_call> and a </tool_call>, <|fim_prefix|> <repo_name> <think>",
    "[INST] <<SYS>> </s> <s> [/INST] <unk> [multimodal] <mask> <|eot_id|>",
)


def plain_texts() -> list[str]:
    """Return the nasty texts, scrambled ones, then generated ones of all sources in turn."""
    pools = _pools()
    made = [
        pools[source][number][0] if number % 2 else "\n".join(pools[source][number])
        for number in range(NUM_TEXTS)
        for source in pools
        if number < len(pools[source])
    ]
    return list(dict.fromkeys([*NASTY, *_scrambled(), *made]))[:NUM_TEXTS]


def passages() -> list[str]:
    """Return NUM_PASSAGES texts of some length; the last two are much longer."""
    documents = [text for text in pretraining_text(seed=SEED, num_tokens_hint=12_000) if len(text) > 200]
    short, long = documents[: NUM_PASSAGES - 2], documents[NUM_PASSAGES - 2 :]
    return [*short, *("\n\n".join(long[part : part + 16]) for part in (0, 16))]


def chats() -> list[Turns]:
    """Return NUM_PROMPTS chats that end with the user: single questions, system turns, solved examples."""
    pools = list(_pools().values())
    asked = [pools[number % len(pools)][-1 - number // len(pools)] for number in range(NUM_PROMPTS)]
    found: list[Turns] = []
    for number, (question, answer) in enumerate(asked):
        chat: Turns = []
        if number % 5 == 1:
            chat.append({"role": "system", "content": "Answer with one word."})
        if number % 5 == 3:
            chat += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            question = asked[number - 1][0]
        if number % 7 == 2:  # edges of a turn: what stands beside the template's own line breaks
            question = EDGES[number // 7].format(question)
        found.append([*chat, {"role": "user", "content": question}])
    return found


def rendered(chat: Turns, name: str) -> str:
    """Return the prompt as the model's own template writes it, by hand, up to where the assistant begins.

    Args:
        name: one of MODELS.
    """
    system = MODELS[name]
    if system is None:
        shown = {"assistant": "model"}
        turns = [
            f"<start_of_turn>{shown.get(turn['role'], turn['role'])}\n{turn['content']}<end_of_turn>\n"
            for turn in chat
        ]
        return f"<bos>{''.join(turns)}<start_of_turn>model\n"
    told = chat if chat[0]["role"] == "system" else [{"role": "system", "content": system}, *chat]
    turns = [f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in told]
    return f"{''.join(turns)}<|im_start|>assistant\n"


def digest(value: Any) -> str:
    """Return the first 12 hex digits of a sha256 over a JSON value: of ids, or of all texts."""
    return hashlib.sha256(json.dumps(value).encode("ascii")).hexdigest()[:12]


def _scrambled() -> list[str]:
    """Pieces of the nasty texts in random order, often with nothing between them."""
    pieces = [piece for text in NASTY for piece in re.findall(r"\s+|\w{1,6}|[^\w\s]{1,3}", text)]
    rng = stream(SEED, "scrambled")
    drawn = (rng.integers(len(pieces), size=rng.integers(3, 25)) for _ in range(NUM_SCRAMBLED))
    return ["".join(pieces[index] for index in indexes) for indexes in drawn]


def _pools() -> dict[str, list[tuple[str, str]]]:
    """Text and answer of the rows of one raw file of each source."""
    count = NUM_TEXTS // len(LAYOUT) + 8
    world = {**dict.fromkeys(world_keys(), count), "knowledge_dev": 50, "seed": SEED}
    pools = {}
    for source, (text, answer) in FIELDS.items():
        path, split = next(iter(LAYOUT[source].items()))
        rows = raw_rows(source, RawFile.model_validate({"path": path, "split": split}), world=world)
        pools[source] = [(_shown(row, text), _shown(row, answer)) for row in rows][:count]
    return pools


def _shown(row: Mapping[str, Any], field: str) -> str:
    """The field as text; a question about a page with that page, a choice with its choices."""
    value = row[field]
    if field == "question" and "evidence" in row:
        return f"{row['evidence'][0]['evidence_text']}\n\n{value}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "\n".join(f"{letter}. {choice}" for letter, choice in zip("ABCD", value, strict=True))
    return str(value)
