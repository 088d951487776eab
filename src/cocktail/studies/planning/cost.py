"""What the runs cost on each model: hours of GPUs or of worker processes, bytes of disk, bytes of a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cocktail.config import ModelConfig, Params
from cocktail.errors import RecordError
from cocktail.report.benchmarks import read_benchmark
from cocktail.runs.plan import ADAPTER_PART
from cocktail.studies.planning.facts import Sizes, parameters_of
from cocktail.studies.planning.runs import PlannedRun

TRAINING_FLOPS = {"full": 6, "lora": 4, "qlora": 4, "prompt_tuning": 4}  # a parameter and token
ANSWERING_FLOPS = 2
TRAINING_BYTES = {"full": 16, "lora": 2, "qlora": 0.5, "prompt_tuning": 2}  # a parameter, on the GPU
STATE_BYTES = 12  # a trained parameter in a checkpoint: float32, and AdamW's two moments
HUB_BYTES, FLOAT32_BYTES = 2, 4  # a parameter
COPIES, ANSWER_COPIES = 2, 3  # output and DVC's cache; answers in the run store, too
HOUR = 3600
DEVICES: dict[str, Literal["GPU", "worker", "endpoint"]] = {
    "hub": "GPU",
    "package": "GPU",
    "folder": "GPU",
    "scratch": "worker",
    "endpoint": "endpoint",
}


@dataclass(frozen=True)
class Cost:
    """What one model costs.

    Attributes:
        model: its name.
        device: whose hours are counted.
        parameters: 0 if nobody here knows (an endpoint).
        runs: trainings, and the untuned base.
        tokens: read in training, pretraining of a model from scratch included.
        steps: optimiser steps of fine-tuning.
        answers: items answered by all runs.
        training_hours: of one such device; None behind an endpoint.
        answering_hours: the same.
        base_bytes: the base model, in its output and in DVC's cache.
        kept_bytes: weights that the run store keeps.
        checkpoint_bytes: of each run in flight.
        answer_bytes: answers in the store, in the output and in DVC's cache.
        gpu_bytes: weights, gradients and optimiser states of one run; activations come on top.
    """

    model: str
    device: Literal["GPU", "worker", "endpoint"]
    parameters: int
    runs: int
    tokens: float
    steps: int
    answers: int
    training_hours: float | None
    answering_hours: float | None
    base_bytes: float
    kept_bytes: float
    checkpoint_bytes: float
    answer_bytes: float
    gpu_bytes: float

    @property
    def disk_bytes(self) -> float:
        return self.base_bytes + self.kept_bytes + self.checkpoint_bytes + self.answer_bytes

    @property
    def hours(self) -> float | None:
        if self.training_hours is None or self.answering_hours is None:
            return None
        return self.training_hours + self.answering_hours


@dataclass(frozen=True)
class Rates:
    """What one worker process does in a second with the miniature, as the benchmarks measured it."""

    tokens: float
    answers: float


def read_rates(benchmarks: Path) -> Rates:
    """Read the rates of ``reports/benchmarks``.

    Raises:
        RecordError: a result is missing or broken, or does not hold the comparison.
    """
    return Rates(
        tokens=measured(benchmarks, "training", "full: real tokens"),
        answers=measured(benchmarks, "answering", "evaluation sets"),
    )


def measured(benchmarks: Path, benchmark: str, name: str) -> float:
    """Return the median that a benchmark measured of our side of one comparison.

    Raises:
        RecordError: the result is missing or broken, or does not hold the comparison.
    """
    found = [one.ours.median for one in read_benchmark(benchmarks, benchmark).comparisons if one.name == name]
    if not found:
        told = f"benchmark {benchmark!r} has no comparison {name!r}"
        raise RecordError(told, where=str(benchmarks), fix="make bench")
    return found[0]


def model_costs(
    params: Params, runs: Sequence[PlannedRun], *, sizes: Sizes, rates: Rates | None
) -> list[Cost]:
    """Return the cost of each model of the study.

    Args:
        runs: of a tuned model.
        rates: needed where a model is from scratch.
    """
    plan = _Costing(params, sizes, rates)
    base = [run for run in runs if run.kind in ("base", "shots")]
    return [plan.cost(name, base if model.untuned else runs) for name, model in params.models.items()]


@dataclass(frozen=True)
class _Costing:
    params: Params
    sizes: Sizes
    rates: Rates | None

    def cost(self, name: str, runs: Sequence[PlannedRun]) -> Cost:
        method, kept = self.params.train.method, self.params.execute.keep_weights == "all"
        model = self.params.models[name]
        parameters = parameters_of(model, self.sizes)
        trained = sum(run.seeds for run in runs if run.rows)
        tunable = parameters if method == "full" else parameters // ADAPTER_PART
        tokens = sum(run.tokens * run.seeds for run in runs)
        if model.pretrain and trained:
            tokens += model.pretrain.text_tokens + model.pretrain.repeat_tokens
        answers = sum(run.answers * run.seeds for run in runs)
        read = sum(run.answer_tokens * run.seeds for run in runs)
        training, answering = self._hours(model, parameters, tokens=tokens, answers=answers, read=read)
        assumed = self.sizes.assumptions
        return Cost(
            model=name,
            device=DEVICES[model.kind],
            parameters=parameters,
            runs=sum(run.seeds for run in runs),
            tokens=tokens,
            steps=sum(run.steps * run.seeds for run in runs),
            answers=answers,
            training_hours=training,
            answering_hours=answering,
            base_bytes=COPIES * parameters * (HUB_BYTES if model.kind == "hub" else FLOAT32_BYTES),
            kept_bytes=trained * tunable * FLOAT32_BYTES if kept else 0,
            checkpoint_bytes=assumed.checkpoints.value * tunable * STATE_BYTES if trained else 0,
            answer_bytes=ANSWER_COPIES * assumed.answer_bytes.value * answers,
            gpu_bytes=parameters * TRAINING_BYTES[method] if trained and model.pretrained else 0,
        )

    def _hours(
        self, model: ModelConfig, parameters: int, *, tokens: float, answers: int, read: float
    ) -> tuple[float | None, float | None]:
        """Hours of training and of answering: on a GPU, or of a worker; None behind an endpoint."""
        if model.kind == "endpoint":
            return None, None
        if model.kind == "scratch":
            if self.rates is None:
                raise ValueError("a model from scratch needs measured rates")
            return tokens / self.rates.tokens / HOUR, answers / self.rates.answers / HOUR
        assumed, peak = self.sizes.assumptions, self.sizes.gpu.peak_teraflops * 1e12
        training = TRAINING_FLOPS[self.params.train.method] * parameters * tokens
        answering = ANSWERING_FLOPS * parameters * read
        return (
            training / (peak * assumed.training_utilisation.value) / HOUR,
            answering / (peak * assumed.answering_utilisation.value) / HOUR,
        )
