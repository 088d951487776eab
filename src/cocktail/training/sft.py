"""Fine-tuning: the one function that trains every run, in full or with an adapter.

TRL's SFTTrainer does the work; every value that matters is set here, because its defaults move between
versions (learning rate, precision, checkpointing, cutting at 1,024 tokens). Rows come tokenised from
``cocktail.prompts`` with their labels, so nothing is cut, masked or dropped behind our back, and what is
trained on is decoded and compared with the answers before the first step.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from datasets import Dataset
from peft import LoraConfig
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.trainer_callback import PrinterCallback
from trl import SFTConfig, SFTTrainer

from cocktail.errors import RunError
from cocktail.prompts import IGNORED, Tokenizer, TrainingRow, check_completions

SCHEDULERS = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}


@dataclass(frozen=True)
class LoraShape:
    """A LoRA adapter on all linear layers but the head."""

    rank: int
    alpha: int
    dropout: float


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a run learns, resolved: no default of a library is left in charge.

    Attributes:
        batch_size: rows (packed: sequences of ``max_length`` tokens) per device and step.
        max_steps: optimiser steps; 0 means ``epochs`` decides.
        max_length: tokens of a packed sequence; longer rows are refused.
        group_by_length: batches of rows of like length: less padding where rows are not packed.
    """

    method: Literal["full", "lora"]
    seed: int
    learning_rate: float
    epochs: float
    max_steps: int
    warmup_steps: int
    batch_size: int
    accumulation: int
    scheduler: str
    clip: float
    weight_decay: float
    max_length: int
    packing: bool
    precision: Literal["fp32", "bf16"]
    checkpointing: bool
    group_by_length: bool
    lora: LoraShape | None = None

    def as_record(self) -> dict[str, Any]:
        return asdict(self)


def recipe_from(record: Mapping[str, Any]) -> Recipe:
    """Return the recipe that :meth:`Recipe.as_record` wrote."""
    lora = record["lora"]
    return Recipe(**{**record, "lora": LoraShape(**lora) if lora else None})


@dataclass(frozen=True)
class Training:
    """How a training went: the deterministic part of a run's receipt."""

    steps: int
    epochs: float
    loss: list[tuple[int, float]]
    trained_tokens: int
    total_tokens: int
    trainable_parameters: int
    total_parameters: int


class CompletionTrainer(SFTTrainer):  # type: ignore[misc]
    """SFTTrainer whose loss computes logits only where some row of the batch is trained.

    The same loss as TRL's (a test compares both). TRL scores every position and gathers entropy and
    accuracy at every step: with half a million parameters and short answers that costs a third of the time.
    """

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | None = None,
    ) -> Any:
        inputs.pop("attention_mask", None)  # padding is on the right, where a causal model never looks
        following = inputs.pop("labels")[:, 1:]
        positions = (following != IGNORED).any(dim=0).nonzero().squeeze(1)
        targets = following[:, positions].reshape(-1)
        outputs = model(**inputs, use_cache=False, logits_to_keep=positions)
        scores = outputs.logits.float().flatten(0, 1)
        total = functional.cross_entropy(scores, targets, ignore_index=IGNORED, reduction="sum")
        count = (targets != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch
        return (total / count, outputs) if return_outputs else total / count

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log without the metrics that the loss above does not gather."""
        super(SFTTrainer, self).log(logs, start_time)


def fine_tune(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    rows: Sequence[TrainingRow],
    *,
    recipe: Recipe,
    stop_token: str,
    workdir: Path,
) -> tuple[PreTrainedModel, Training]:
    """Train ``model`` on ``rows`` and return it, an adapter merged into its weights.

    Args:
        workdir: for what the trainer may write; nothing in it is needed afterwards.

    Raises:
        RunError: no rows, a row longer than ``max_length``, a row that would teach something else than
            its answer and the stop token, or a loss that is no number.
    """
    if not rows:
        raise RunError("a run without rows", fix="mix.caps, train.overlong")
    longest = max(len(row.input_ids) for row in rows)
    if longest > recipe.max_length:
        raise RunError(f"a row of {longest} tokens is over train.max_length {recipe.max_length}")
    check_completions(tokenizer, rows, stop_token)
    trainer = make_trainer(model, tokenizer, rows, recipe=recipe, workdir=workdir)
    mean_loss = trainer.train().training_loss
    history = [entry for entry in trainer.state.log_history if "loss" in entry]
    loss = [(int(entry["step"]), float(entry["loss"])) for entry in history]
    if not all(math.isfinite(value) for value in (mean_loss, *(value for _, value in loss))):
        raise RunError("the loss is no number any more", fix="a smaller train.learning_rate")
    trained, total = trainer.model.num_parameters(only_trainable=True), trainer.model.num_parameters()
    tuned = trainer.model.merge_and_unload() if recipe.method == "lora" else trainer.model
    report = Training(
        steps=int(trainer.state.global_step),
        epochs=round(float(trainer.state.epoch or 0.0), 6),
        loss=loss,
        trained_tokens=sum(len(row.completion) for row in rows),
        total_tokens=sum(len(row.input_ids) for row in rows),
        trainable_parameters=trained,
        total_parameters=total,
    )
    return _usable(tuned), report


def make_trainer(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    rows: Sequence[TrainingRow],
    *,
    recipe: Recipe,
    workdir: Path,
) -> CompletionTrainer:
    """Build the trainer; apart from :func:`fine_tune` so that tests can look at its batches."""
    data = Dataset.from_dict(
        {"input_ids": [row.input_ids for row in rows], "labels": [row.labels for row in rows]}
    )
    adapter = None
    if recipe.method == "lora" and recipe.lora is not None:
        adapter = LoraConfig(
            r=recipe.lora.rank,
            lora_alpha=recipe.lora.alpha,
            lora_dropout=recipe.lora.dropout,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        )
    with warnings.catch_warnings():
        # TRL 1.16 and peft 0.21 use `gradient_checkpointing`, which transformers 5.23 renames. Remove this
        # when the lower bounds of all three speak of `activation_checkpointing`.
        warnings.filterwarnings("ignore", message=".*gradient_checkpointing.*", category=FutureWarning)
        trainer = CompletionTrainer(
            model=model,
            args=sft_config(recipe, workdir=workdir),
            train_dataset=data,
            processing_class=tokenizer,
            peft_config=adapter,
        )
    trainer.remove_callback(PrinterCallback)  # the executor shows progress for all runs at once
    return trainer


def sft_config(recipe: Recipe, *, workdir: Path) -> SFTConfig:
    """Return TRL's configuration with every value that matters set."""
    on_gpu = torch.cuda.is_available()
    return SFTConfig(
        output_dir=str(workdir),
        seed=recipe.seed,
        data_seed=recipe.seed,
        learning_rate=recipe.learning_rate,
        num_train_epochs=recipe.epochs,
        max_steps=recipe.max_steps or -1,
        warmup_steps=recipe.warmup_steps,
        lr_scheduler_type=SCHEDULERS[recipe.scheduler],
        per_device_train_batch_size=recipe.batch_size,
        gradient_accumulation_steps=recipe.accumulation,
        max_grad_norm=recipe.clip,
        weight_decay=recipe.weight_decay,
        optim="adamw_torch_fused",
        adam_beta1=0.9,
        adam_beta2=0.999,
        adam_epsilon=1e-8,
        label_smoothing_factor=0.0,
        completion_only_loss=True,
        assistant_only_loss=False,
        max_length=recipe.max_length,
        packing=recipe.packing,
        packing_strategy="bfd",
        # Unpacked rows are ready as they are: TRL would only copy them, and cut what is too long.
        dataset_kwargs={"skip_prepare_dataset": not recipe.packing},
        train_sampling_strategy="group_by_length" if recipe.group_by_length else "random",
        use_cpu=not on_gpu,
        bf16=recipe.precision == "bf16",
        fp16=False,
        tf32=False if on_gpu else None,
        gradient_checkpointing=recipe.checkpointing,
        save_strategy="no",
        eval_strategy="no",
        report_to="none",
        logging_steps=10,
        logging_first_step=True,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        dataloader_num_workers=0,
        dataloader_pin_memory=on_gpu,
        average_tokens_across_devices=False,
        remove_unused_columns=True,
    )


def _usable(model: PreTrainedModel) -> PreTrainedModel:
    """Take TRL's patched forward off the instance and switch to answering."""
    model.__dict__.pop("forward", None)
    model.eval()
    return model
