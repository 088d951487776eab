"""The trainer: TRL's SFTTrainer with a lean loss, an order that resumes, a watch on the loss, a bar."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.data import Sampler
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_pt_utils import get_length_grouped_indices
from trl import SFTTrainer

from cocktail.errors import RunError
from cocktail.training.pieces import Piece, token_losses

EXPLODED = 2.0  # times what guessing among all tokens costs, or what the run began with
SEED_STEP = 1_000_003  # more epochs than any run has: no two seeds share an order


class CompletionTrainer(SFTTrainer):  # type: ignore[misc]  # transformers is untyped for mypy here
    """SFTTrainer whose steps are read in pieces (:mod:`cocktail.training.pieces`).

    The same loss as TRL's, which a test compares: the mean over the trained tokens of a step, those of all
    processes.

    Attributes:
        group_rows: rows of one optimiser step, over all devices; rows are grouped by length within a
            multiple of it. None: they are not grouped.
    """

    group_rows: int | None = None

    def training_step(
        self, model: Any, inputs: dict[str, Any], num_items_in_batch: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Add the gradients of all pieces of a step and return its loss."""
        model.train()
        inputs = self._prepare_inputs(inputs)
        count = len(inputs["labels"]) if num_items_in_batch is None else num_items_in_batch
        total = torch.zeros((), device=self.args.device)
        for piece, weight in self._agreed(inputs["pieces"]):
            loss = weight * token_losses(model, piece).sum() / count
            loss = loss * self.accelerator.num_processes  # count is of all processes; they take a mean
            self.accelerator.backward(loss)
            total += loss.detach()
        return total

    def _agreed(self, pieces: list[Piece]) -> Iterator[tuple[Piece, float]]:
        """Yield pieces with weight 1; of several processes each yields as many, the last ones with weight 0.

        Several processes wait for each other at every piece.
        """
        rounds = torch.tensor(len(pieces), device=self.args.device)
        if torch.distributed.is_initialized():
            torch.distributed.all_reduce(rounds, torch.distributed.ReduceOp.MAX)
        for index in range(int(rounds)):
            yield (pieces[index], 1.0) if index < len(pieces) else (pieces[0], 0.0)

    def floating_point_ops(self, inputs: Any) -> int:
        """Count none: the trainer would look for the ids of one batch."""
        return 0

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log without the metrics that the loss above does not gather."""
        super(SFTTrainer, self).log(logs, start_time)

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        rows = self.train_dataset if train_dataset is None else train_dataset
        lengths = [len(ids) for ids in rows["input_ids"]]
        return EpochOrder(lengths, batch=self.group_rows, seed=self.args.data_seed, epoch=self._epoch)

    def _epoch(self) -> int:
        return int(self.state.epoch or 0.0)


class EpochOrder(Sampler[int]):
    """Rows in an order that hangs on seed and epoch alone, so that a resumed training sees the same one.

    The samplers of transformers draw from the process's own generator; gone on from a checkpoint in a later
    epoch, they shuffle anew, and rows are seen twice or never (a test shows it).

    Args:
        batch: rows of like length come together within a multiple of so many; None: no grouping.
        epoch: says which epoch begins or goes on.
    """

    def __init__(
        self, lengths: Sequence[int], *, batch: int | None, seed: int, epoch: Callable[[], int]
    ) -> None:
        self._lengths, self._batch, self._seed, self._epoch = list(lengths), batch, seed, epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed * SEED_STEP + self._epoch())
        if self._batch is None:
            order: list[int] = torch.randperm(len(self), generator=generator).tolist()
        else:
            order = get_length_grouped_indices(self._lengths, self._batch, generator=generator)
        return iter(order)


class LossWatch(TrainerCallback):  # type: ignore[misc]  # transformers is untyped for mypy here
    """Ends a training whose loss is no number or far above what guessing costs: it will not come back.

    It sees what is logged, the last step among it.
    """

    def __init__(self, vocabulary: int) -> None:
        self._bound = EXPLODED * math.log(vocabulary)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Of a training that goes on, the first loss is in the history."""
        for entry in state.log_history[:1]:
            self._bound = max(self._bound, EXPLODED * entry.get("loss", 0.0))

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if state.global_step >= state.max_steps:
            control.should_log = True

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        logs = logs or {}
        loss = logs.get("loss")
        if loss is None:
            return
        check_loss(loss, step=state.global_step)
        check_loss(logs.get("grad_norm", 0.0), step=state.global_step)
        if state.global_step == 1:
            self._bound = max(self._bound, EXPLODED * loss)
        if loss > self._bound:
            raise RunError(
                f"the loss exploded: {loss:.3g} at step {state.global_step}, over {self._bound:.3g}",
                fix="a smaller train.learning_rate, or train.max_grad_norm",
            )


def check_loss(loss: float, *, step: int) -> None:
    """Raise a RunError if the loss, or what its gradients come to, is no number."""
    if not math.isfinite(loss):
        raise RunError(f"the loss is no number any more at step {step}", fix="a smaller train.learning_rate")


class StepBar(TrainerCallback):  # type: ignore[misc]  # transformers is untyped for mypy here
    """A bar over optimiser steps on stderr, for people; silent where that is no terminal.

    The trainer's own bar goes away with the downloads' bars, which this package turns off.
    """

    def __init__(self, label: str) -> None:
        console = Console(stderr=True)
        columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._task = self._progress.add_task("", total=state.max_steps)
        self._progress.start()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._progress.update(self._task, completed=state.global_step)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._progress.stop()
