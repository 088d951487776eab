"""What decides what a run learns, and how a training went. No library of training is imported here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

Attention: TypeAlias = Literal["auto", "sdpa", "flash_attention_2", "flex_attention"]


@dataclass(frozen=True)
class LoraShape:
    """A LoRA adapter on all linear layers but the head; with method qlora on a 4-bit base."""

    rank: int
    alpha: int
    dropout: float


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a run learns, resolved: no default of a library is left in charge.

    Attributes:
        batch_size: rows (packed: sequences of ``max_length`` tokens) per step, over all devices.
        max_steps: optimiser steps; 0 means ``epochs`` decides.
        max_length: tokens of a packed sequence; longer rows are refused.
        checkpointing: whether activations are computed twice instead of kept; ``by_need``: only if the
            memory does not suffice without. It changes no number.
        group_by_length: batches of rows of like length: less padding where rows are not packed.
        attention: what computes attention; all isolate packed rows. auto: what this machine does best.
        compile, liger: ``torch.compile``, Liger kernels; other last bits: facts of the receipt, as attention
        virtual_tokens: length of the learned prompt of method prompt_tuning.
        devices: processes that share each batch, one per GPU; their order of sums is another than one's.
        tree_tokens: what rows of a step begin with is read once, in trees of at most so many tokens; 0: each
            row is read alone; None: by device. It changes no number but for rounding.
    """

    method: Literal["full", "lora", "qlora", "prompt_tuning"]
    seed: int
    learning_rate: float
    epochs: float
    max_steps: int
    warmup_steps: int
    batch_size: int
    gradient_accumulation_steps: int
    scheduler: str
    max_grad_norm: float
    weight_decay: float
    max_length: int
    packing: bool
    precision: Literal["fp32", "bf16"]
    checkpointing: Literal["never", "by_need", "always"]
    group_by_length: bool
    attention: Attention = "sdpa"
    compile: bool = False
    liger: bool = False
    lora: LoraShape | None = None
    virtual_tokens: int = 0
    devices: int = 1
    tree_tokens: int | None = 0

    @property
    def rows_per_step(self) -> int:
        """Rows (packed: sequences) of one optimiser step, over all devices."""
        return self.batch_size * self.gradient_accumulation_steps

    @property
    def bf16(self) -> bool:
        """Adapters are tuned on a bfloat16 base; full training keeps float32, or small steps are lost."""
        return self.precision == "bf16" and self.method != "full"

    def as_record(self) -> dict[str, Any]:
        return asdict(self)


def recipe_from(record: Mapping[str, Any]) -> Recipe:
    """Return the recipe that :meth:`Recipe.as_record` wrote."""
    lora = record["lora"]
    return Recipe(**{**record, "lora": LoraShape(**lora) if lora else None})


@dataclass(frozen=True)
class Training:
    """How a training went: the part of a run's receipt that any machine of one kind repeats, and its time.

    Attributes:
        loss: optimiser step, mean loss of a trained token since the point before.
        trained_tokens, total_tokens: of all rows once: completions; prompts and completions.
        shared: whether rows were read in trees.
        seconds: of the steps, those of earlier goes that were killed included.
        dev: optimiser step, share of dev answers that are right, where dev was answered on the way.
        kept_step: the step whose weights the model has; None: the last, and dev was not asked.
    """

    steps: int
    epochs: float
    loss: list[tuple[int, float]]
    trained_tokens: int
    total_tokens: int
    trainable_parameters: int
    total_parameters: int
    shared: bool = field(compare=False)
    seconds: float = field(compare=False)
    dev: list[tuple[int, float]] = field(default_factory=list)
    kept_step: int | None = None

    def as_record(self) -> dict[str, Any]:
        """Everything but the seconds, and dev only where it was asked."""
        record = asdict(self)
        del record["seconds"]
        if self.kept_step is None:
            del record["dev"], record["kept_step"]
        return record


def training_from(record: Mapping[str, Any]) -> Training:
    """Return the training whose ``asdict`` was written as JSON, where pairs became lists."""
    return Training(**{**record, "loss": [(int(step), float(loss)) for step, loss in record["loss"]]})
