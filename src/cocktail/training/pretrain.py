"""Pretraining a base on raw text, and a probe of what it learnt.

Tiny models pick up copying abruptly or not at all, so a probe of it stands in the receipt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedModel, Trainer, TrainingArguments, default_data_collator
from transformers.trainer_callback import PrinterCallback

from cocktail.config import PretrainConfig
from cocktail.data.prompts import Tokenizer
from cocktail.errors import RunError
from cocktail.training.checkpoints import KEPT, Checkpoints, SaveByTime
from cocktail.training.progress import StepBar
from cocktail.training.tokenizer import DOCUMENT_END
from cocktail.training.trainer import LossWatch

PROBES, PROBE_LENGTH = 200, 8
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
    """Train on the texts, joined and cut into blocks; each token is seen once.

    Raises:
        RunError: the texts have fewer tokens than one step needs.
    """
    stream = token_stream(tokenizer, texts)
    num_blocks = min(len(stream), config.text_tokens) // config.block
    if num_blocks < config.batch_size:
        raise RunError(f"{len(stream)} tokens of text are too few", fix="models.<name>.pretrain.text_tokens")
    blocks = torch.from_numpy(stream[: num_blocks * config.block].astype(np.int64))
    blocks = blocks.view(num_blocks, config.block)
    steps = num_blocks // config.batch_size
    trainer = Trainer(
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
    half = PROBE_LENGTH // 2
    ids = torch.from_numpy(np.concatenate([lists, lists[:, :half]], axis=1)).to(model.device)
    model.eval()
    best = model(input_ids=ids, use_cache=False).logits[:, -1].argmax(dim=-1).cpu().numpy()
    return float((best == lists[:, half]).mean())


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
