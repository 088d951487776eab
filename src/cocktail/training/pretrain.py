"""Pretraining a base on raw text, and a probe of what it learnt.

Tiny models pick up copying abruptly or not at all, so a probe of it stands in the receipt. Of text that says
a list twice, with 23 % of it such lists, ours never learnt it; of short random lists said over and over they
learn it within a million tokens, and keep it where one block in twelve goes on so (reports/LOG.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import SequentialSampler
from transformers import PreTrainedModel, Trainer, TrainingArguments, default_data_collator
from transformers.trainer_callback import PrinterCallback

from cocktail.config import PretrainConfig
from cocktail.data.prompts import Tokenizer
from cocktail.errors import RunError
from cocktail.training.checkpoints import KEPT, Checkpoints, SaveByTime
from cocktail.training.tokenizer import DOCUMENT_END
from cocktail.training.trainer import LossWatch, StepBar

PROBES, PROBE_LENGTH = 200, 8
LONGEST, MOST = 8, 7  # tokens of a list that is repeated, and how often it is said
EVERY = 12  # one block of text in so many is of repeated lists, where there are such at all
ENCODED_AT_ONCE = 10_000  # documents: more only take memory


@dataclass(frozen=True)
class Pretraining:
    """How the pretraining went: tokens seen, optimiser steps, [step, loss] points."""

    tokens: int
    steps: int
    loss: list[tuple[int, float]]


def pretrain_on(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    *,
    config: PretrainConfig,
    checkpoints: Checkpoints,
) -> Pretraining:
    """Train on repeated lists, then on the texts, joined and cut into blocks; each token is seen once.

    Raises:
        RunError: the texts have fewer tokens than one step needs.
    """
    stream = token_stream(tokenizer, texts)
    num_blocks = min(len(stream), config.text_tokens) // config.block
    if num_blocks < config.batch_size:
        raise RunError(f"{len(stream)} tokens of text are too few", fix="models.<name>.pretrain.text_tokens")
    text = stream[: num_blocks * config.block].astype(np.int64).reshape(num_blocks, config.block)
    ordered = bool(config.repeat_tokens)
    blocks = torch.from_numpy(_after_repeats(tokenizer, text, config) if ordered else text)
    steps = len(blocks) // config.batch_size
    trainer = (OrderedTrainer if ordered else Trainer)(
        model=model,
        args=_pretrain_arguments(config, steps=steps, workdir=checkpoints.folder),
        train_dataset=[{"input_ids": block, "labels": block} for block in blocks],
        data_collator=default_data_collator,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(StepBar("pretraining, steps"))
    resumed = checkpoints.newest()
    trainer.add_callback(LossWatch(len(tokenizer)))
    trainer.add_callback(SaveByTime(checkpoints, resumed=resumed))
    trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    loss = [(int(e["step"]), float(e["loss"])) for e in trainer.state.log_history if "loss" in e]
    return Pretraining(tokens=steps * config.batch_size * config.block, steps=steps, loss=loss)


class OrderedTrainer(Trainer):  # type: ignore[misc]  # transformers is untyped for mypy here
    """Takes blocks in the order in which they come."""

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        return SequentialSampler(self.train_dataset if train_dataset is None else train_dataset)


def _after_repeats(
    tokenizer: Tokenizer, text: npt.NDArray[np.int64], config: PretrainConfig
) -> npt.NDArray[np.int64]:
    """Return blocks of repeated lists, then those of the text in random order, some of them replaced."""
    rng = np.random.default_rng(config.seed)
    first = repeated_lists(tokenizer, config.repeat_tokens // config.block, config.block, rng=rng)
    mixed = text[rng.permutation(len(text))]
    mixed[::EVERY] = repeated_lists(tokenizer, len(mixed[::EVERY]), config.block, rng=rng)
    return np.concatenate([first, mixed])


def repeated_lists(
    tokenizer: Tokenizer, count: int, block: int, *, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Return blocks, shape (count, block), of lists of 2 to 8 random tokens, each said 2 to 7 times.

    Any token may be in a list, the marks of turns among them, but those that pad or end.
    """
    special = set(tokenizer.all_special_ids)
    tokens = np.array([token for token in range(len(tokenizer)) if token not in special])
    parts, length = list[npt.NDArray[np.int64]](), 0
    while length < count * block:
        said = rng.choice(tokens, int(rng.integers(2, LONGEST + 1)))
        parts.append(np.tile(said, int(rng.integers(2, MOST + 1))))
        length += len(parts[-1])
    return np.concatenate(parts)[: count * block].reshape(count, block)


def token_stream(tokenizer: Tokenizer, texts: Sequence[str]) -> npt.NDArray[np.uint16]:
    """Return the tokens of all texts, each followed by the end of a document, as one array."""
    end = tokenizer.convert_tokens_to_ids(DOCUMENT_END)
    parts = []
    for start in range(0, len(texts), ENCODED_AT_ONCE):
        batch = list(texts[start : start + ENCODED_AT_ONCE])
        encoded = tokenizer(batch, add_special_tokens=False, return_attention_mask=False)["input_ids"]
        parts += [np.array([*ids, end], dtype=np.uint16) for ids in encoded]  # an overflow is an error
    return np.concatenate(parts)


@torch.inference_mode()
def copy_probe(model: PreTrainedModel, tokenizer: Tokenizer, *, seed: int) -> float:
    """Return the share of probes in which the model continues a repeated list of random words.

    A probe is a list of distinct words and then its first half again; right is the next word of the list.
    Words are tokens of three letters or more that begin a word: others were hardly ever seen.
    """
    generator = np.random.default_rng(seed)
    words = sorted(
        index
        for token, index in tokenizer.get_vocab().items()
        if token[0] == "Ġ" and token[1:].isalpha() and len(token) > 3
    )
    lists = np.stack([generator.choice(words, PROBE_LENGTH, replace=False) for _ in range(PROBES)])
    middle = PROBE_LENGTH // 2
    ids = torch.from_numpy(np.concatenate([lists, lists[:, :middle]], axis=1)).to(model.device)
    model.eval()
    best = model(input_ids=ids, use_cache=False).logits[:, -1].argmax(dim=-1).cpu().numpy()
    return float((best == lists[:, middle]).mean())


def _pretrain_arguments(config: PretrainConfig, *, steps: int, workdir: Path) -> TrainingArguments:
    on_gpu = torch.cuda.is_available()
    return TrainingArguments(
        output_dir=str(workdir),
        seed=config.seed,
        data_seed=config.seed,
        learning_rate=config.learning_rate,
        max_steps=steps,
        warmup_steps=steps // 50,
        lr_scheduler_type="cosine",
        per_device_train_batch_size=config.batch_size,
        gradient_accumulation_steps=1,
        max_grad_norm=1.0,
        weight_decay=0.01,
        optim="adamw_torch_fused",
        adam_beta1=0.9,
        adam_beta2=0.99,
        use_cpu=not on_gpu,
        bf16=False,
        fp16=False,
        save_strategy="no",  # SaveByTime asks for checkpoints
        save_total_limit=KEPT,
        eval_strategy="no",
        report_to="none",
        logging_steps=100,
        logging_first_step=True,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        dataloader_num_workers=0,
        dataloader_pin_memory=on_gpu,
        dataloader_drop_last=True,
    )
