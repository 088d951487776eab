"""Fine-tuning: the one function that trains every run, in full or with an adapter.

TRL's SFTTrainer does the work; every value that matters is set here, because its defaults move between
versions (learning rate, precision, checkpointing, cutting at 1,024 tokens). Rows come tokenised from
``cocktail.data.prompts`` with their labels, so nothing is cut, masked or dropped behind our back, and what is
trained on is decoded and compared with the answers before the first step.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import torch
from datasets import Dataset
from peft import PeftModel
from transformers import PreTrainedModel
from transformers.trainer_callback import PrinterCallback
from trl import SFTConfig

from cocktail.data.prompts import Tokenizer
from cocktail.errors import RunError
from cocktail.training.bf16 import bf16_anywhere
from cocktail.training.checkpoints import KEPT, Checkpoints, SaveByTime
from cocktail.training.evaluation import DevWatch
from cocktail.training.methods import (
    adapter_config,
    check_method,
    count_parameters,
    without_rename_warnings,
)
from cocktail.training.pieces import StepCollator
from cocktail.training.prefix import obstacles, window
from cocktail.training.proof import TogetherProof, proof_rows, refuse_packing, unpack
from cocktail.training.recipe import Recipe, Training
from cocktail.training.rows import IGNORED, TrainingRow, check_completions
from cocktail.training.trainer import CompletionTrainer, LossWatch, check_loss

SCHEDULERS = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}


def fine_tune(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    rows: Sequence[TrainingRow],
    *,
    recipe: Recipe,
    stop_token: str,
    checkpoints: Checkpoints,
    watch: DevWatch | None = None,
) -> tuple[PreTrainedModel | PeftModel, Training]:
    """Train ``model`` as :func:`train` does and return it, with its adapter if the method has one."""
    trainer, report = train(
        model, tokenizer, rows, recipe=recipe, stop_token=stop_token, checkpoints=checkpoints, watch=watch
    )
    return _usable(trainer.model), report


def train(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    rows: Sequence[TrainingRow],
    *,
    recipe: Recipe,
    stop_token: str,
    checkpoints: Checkpoints,
    watch: DevWatch | None = None,
) -> tuple[CompletionTrainer, Training]:
    """Train ``model`` on ``rows`` and return its trainer, and how it went.

    A training that was killed goes on from its last whole checkpoint. Of several processes each calls this.

    Args:
        watch: answers dev on the way; for a training by one process.

    Raises:
        RunError: no rows, a row longer than ``max_length``, a row that would teach something else than
            its answer and the stop token, a loss that is no number or exploded, or a method that this
            machine cannot run.
    """
    if not rows:
        raise RunError("a run without rows", fix="mix.caps, train.truncation")
    longest = max(len(row.input_ids) for row in rows)
    if longest > recipe.max_length:
        raise RunError(f"a row of {longest} tokens is over train.max_length {recipe.max_length}")
    check_completions(tokenizer, rows, stop_token)
    check_method(recipe)
    trainer = make_trainer(model, tokenizer, rows, recipe=recipe, workdir=checkpoints.folder)
    trainable, total = count_parameters(trainer.model)  # before it is cut into the parts of several GPUs
    resumed = checkpoints.newest()
    saving = SaveByTime(checkpoints, resumed=resumed)
    for callback in (watch, saving) if watch else (saving,):
        trainer.add_callback(callback)
    started = time.monotonic()
    with bf16_anywhere(wanted=recipe.precision == "bf16"):
        mean_loss = trainer.train(resume_from_checkpoint=str(resumed) if resumed else None).training_loss
    check_loss(mean_loss, step=trainer.state.global_step)
    history = [entry for entry in trainer.state.log_history if "loss" in entry]
    report = Training(
        steps=int(trainer.state.global_step),
        epochs=round(float(trainer.state.epoch or 0.0), 6),
        loss=[(int(entry["step"]), float(entry["loss"])) for entry in history],
        trained_tokens=sum(len(row.completion) for row in rows),
        total_tokens=sum(len(row.input_ids) for row in rows),
        trainable_parameters=trainable,
        total_parameters=total,
        shared=bool(trainer.data_collator.tree_tokens),
        seconds=saving.seconds_before + time.monotonic() - started,
        dev=watch.scores if watch else [],
        kept_step=watch.settle(trainer.model) if watch else None,
    )
    return trainer, report


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
    with without_rename_warnings():
        trainer = CompletionTrainer(
            model=model,
            args=sft_config(recipe, workdir=workdir),
            train_dataset=data,
            processing_class=tokenizer,
            peft_config=adapter_config(recipe),
        )
    trainer.group_rows = recipe.rows_per_step if recipe.group_by_length else None
    collator = StepCollator(
        trainer.data_collator,
        batch_rows=recipe.batch_size // recipe.devices,
        tree_tokens=recipe.tree_tokens or 0,
        virtual=recipe.virtual_tokens,
    )
    trainer.data_collator = collator
    blocked = list(obstacles(trainer.model))
    if collator.tree_tokens and blocked:
        _share_nothing(collator, "; ".join(blocked))
    trainer.remove_callback(PrinterCallback)  # the executor shows progress for all runs at once
    trainer.add_callback(LossWatch(len(tokenizer)))
    _check_taken(trainer.train_dataset, rows)
    if recipe.packing:
        trainer.add_callback(_packing_proof(trainer.train_dataset, collator))
    elif collator.tree_tokens:
        trainer.add_callback(_sharing_proof(trainer.train_dataset, collator, window(model.config)))
    return trainer


def _packing_proof(rows: Dataset, collator: StepCollator) -> TogetherProof:
    """The proof on the sequence with the most rows: of a single row there would be nothing to prove."""
    lengths = rows["seq_lengths"]
    fullest = rows[max(range(len(lengths)), key=lambda index: len(lengths[index]))]
    alone = [piece for row in unpack(fullest) for piece in collator.batches([row])]
    return TogetherProof(collator.batches([fullest]), alone, refuse_packing)


def _sharing_proof(rows: Dataset, collator: StepCollator, width: int | None) -> TogetherProof:
    """The proof on a few neighbours; if it fails, rows are read alone."""
    chosen = proof_rows(list(rows), window=width)
    alone = [piece for row in chosen for piece in collator.batches([row])]
    return TogetherProof(
        collator.trees(chosen), alone, lambda found: _share_nothing(collator, f"of this model {found}")
    )


def _share_nothing(collator: StepCollator, reason: str) -> None:
    collator.tree_tokens = 0
    print(f"rows are read alone, none of their tokens is shared: {reason}", file=sys.stderr)


def _check_taken(taken: Dataset, rows: Sequence[TrainingRow]) -> None:
    """Refuse a trainer that holds other tokens than the rows, or other labels: TRL rewrites what it packs."""
    wanted = Counter(row.completion for row in rows)
    found: Counter[tuple[int, ...]] = Counter()
    for labels in taken["labels"]:
        spans = groupby(labels, key=lambda label: label != IGNORED)
        found.update(tuple(span) for learned, span in spans if learned)
    num_tokens = sum(len(ids) for ids in taken["input_ids"])
    if found != wanted or num_tokens != sum(len(row.input_ids) for row in rows):
        raise RunError("the trainer holds other rows than it was given", fix="train.packing=false")


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
        per_device_train_batch_size=recipe.rows_per_step // recipe.devices,
        gradient_accumulation_steps=1,  # a step is cut into pieces by the collator
        max_grad_norm=recipe.max_grad_norm,
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
        use_cpu=not on_gpu,
        bf16=recipe.precision == "bf16",
        fp16=False,
        tf32=False if on_gpu else None,
        gradient_checkpointing=recipe.checkpointing == "always",
        torch_compile=recipe.compile,
        use_liger_kernel=recipe.liger,
        save_strategy="no",  # SaveByTime asks for checkpoints
        save_total_limit=KEPT,
        eval_strategy="no",
        report_to="none",
        logging_steps=10,
        logging_first_step=True,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        dataloader_num_workers=0,
        dataloader_pin_memory=on_gpu,
        average_tokens_across_devices=True,
        remove_unused_columns=True,
    )


def _usable(model: PreTrainedModel | PeftModel) -> PreTrainedModel | PeftModel:
    """Take TRL's patched forward off the instance and switch to answering."""
    model.__dict__.pop("forward", None)
    model.eval()
    return model
