"""Tokenizers as the Hub's are, sentencepiece style and byte level, with the Hub's own chat templates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import trl
from tiny_model import TEXTS
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers import Tokenizer as Bpe
from transformers import PreTrainedTokenizerFast

TEMPLATES = Path(trl.__file__).parent / "chat_templates"
STOP = "<|im_end|>"
SPECIALS = ("<|endoftext|>", "<|im_start|>", STOP)
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{{ message['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def hub_template(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def byte_level(specials: tuple[str, ...] = SPECIALS, *, vocabulary: int = 400) -> Any:
    """A GPT-2 style tokenizer (the library's own, without a template) that keeps digits apart.

    Its vocabulary would join them: it was made by GPT-2's own rule.
    """
    bpe = Bpe(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(TEXTS, trainer)
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    return bpe


def byte_like(
    template: str | None,
    specials: tuple[str, ...] = SPECIALS,
    *,
    adds_bos: bool = False,
    **tokens: Any,
) -> Any:
    """A byte-level tokenizer; ``tokens`` name its pad, bos, unk and eos tokens."""
    bpe = byte_level(specials)
    if adds_bos:
        bos = tokens["bos_token"]
        first = [(bos, bpe.token_to_id(bos))]
        bpe.post_processor = processors.TemplateProcessing(single=f"{bos} $A", special_tokens=first)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, **{"eos_token": specials[-1], **tokens})
    tokenizer.chat_template = template
    return tokenizer


def hub_like(template: str, stop: str, *, eats_line_break: bool) -> Any:
    """A tokenizer built as Phi-3's is (sentencepiece style) with the Hub's own chat template."""
    bpe = Bpe(models.BPE(unk_token="<unk>", byte_fallback=True))
    bpe.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    bpe.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    specials = ["<unk>", "<pad>", "<|user|>", "<|assistant|>", "<|system|>", "<|start_header_id|>"]
    specials += ["<|end_header_id|>", "<|begin_of_text|>", stop]
    words = [
        "What is the tone? positive negative 4 + 5 = 9 user assistant Add Orders fell\n\n at, cut 12 jobs 3"
    ] * 5
    bpe.train_from_iterator(
        words, trainers.BpeTrainer(vocab_size=400, special_tokens=["<unk>", "<pad>"], show_progress=False)
    )
    written = json.loads(bpe.to_str())
    vocabulary = written["model"]["vocab"]
    vocabulary |= {f"<0x{byte:02X}>": len(vocabulary) + byte for byte in range(256)}
    bpe = Bpe.from_str(json.dumps(written))
    bpe.add_special_tokens(
        [AddedToken(token, rstrip=eats_line_break, normalized=False) for token in specials[2:]]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, pad_token="<pad>", unk_token="<unk>", eos_token=stop
    )
    tokenizer.bos_token = "<|begin_of_text|>"
    tokenizer.chat_template = hub_template(template)
    return tokenizer
