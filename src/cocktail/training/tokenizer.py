"""The tokenizer of from-scratch models: byte-level BPE, trained on the model's own pretraining text.

Digits and punctuation stand alone before BPE merges anything: otherwise merges such as "=-" make some
numbers impossible to write. Every piece of text between special tokens gets one leading space, so that the
first word of an answer is the same token as within a sentence; the decoder takes it off again.
"""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer as Bpe
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from cocktail.data.prompts import Tokenizer

PAD, DOCUMENT_END = "<|pad|>", "<|endoftext|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")


def train_tokenizer(texts: Iterable[str], *, vocabulary: int, stop_token: str, context: int) -> Tokenizer:
    """Train a tokenizer of ``vocabulary`` tokens with chat template and distinct pad and stop tokens.

    Args:
        texts: documents to learn merges from.
        stop_token: ends every turn of the chat template.
        context: tokens the model can read.
    """
    bpe = Bpe(models.BPE())
    bpe.normalizer = normalizers.Prepend(" ")
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.Punctuation("isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    bpe.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, DOCUMENT_END, *ROLES, stop_token],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        pad_token=PAD,
        bos_token=DOCUMENT_END,
        eos_token=stop_token,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=context,
    )
    tokenizer.chat_template = (
        "{% for message in messages %}"
        "{{ '<|' + message['role'] + '|>' + message['content'] + '" + stop_token + "' }}"
        "{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
    )
    return tokenizer
