"""From runs to jobs: what each run is made of, and the keys under which the store keeps it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

from cocktail.config import Params
from cocktail.data.evaluation_set import NO_SHOTS, EvaluationSet, Shots, read_evaluation_set
from cocktail.data.grid import Asked, Run
from cocktail.data.mixture import Mixture
from cocktail.data.table import read_split
from cocktail.errors import RunError
from cocktail.files.records import digest_file, digest_text, read_json
from cocktail.files.store import Store
from cocktail.runs.jobs import RunJob
from cocktail.runs.rounds import Job
from cocktail.training.environment import device_name
from cocktail.training.keys import ANSWERING_RULES, answers_key, training_key
from cocktail.training.recipe import LoraShape, Recipe

ADAPTER_PART = 20  # an adapter is smaller than this part of its base by far


@dataclass(frozen=True)
class Planner:
    """Makes the jobs of one stage; what all its runs share is read once."""

    params: Params
    model: str
    prepared: Path
    base: Path
    mixtures: Mapping[str, Mixture]
    store: Store

    def job(self, run: Run, *, max_steps: int) -> Job[RunJob]:
        """Return the job of one run.

        Args:
            max_steps: optimiser steps of a steps-matched run; 0: its epochs decide.
        """
        mixture, params = self.mixtures.get(run.id), self.params
        recipe = self._recipe(run, max_steps=max_steps) if mixture else None
        rows, stop = self._rows_digest(mixture), params.model(self.model).stop_token
        key, evaluate = self._base, params.train.evaluate
        trained_for = [asked.task for asked in run.asked if recipe and asked.task in run.sources]
        dev = tuple(Asked(task, dev=True, test_rows=0) for task in trained_for if evaluate)
        if recipe:
            truncation = params.train.truncation
            key = training_key(
                recipe,
                base=self._base,
                rows=rows,
                stop_token=stop,
                truncation=truncation,
                dev=self._dev_facts(dev),
            )
        shots, bf16 = Shots(run.shots, params.study.seed), params.train.precision == "bf16"
        answers = tuple(
            (
                asked,
                answers_key(
                    key,
                    asked=self._evaluation_set(asked, shots),
                    stop_token=stop,
                    bf16=bf16,
                    max_prompt=params.answer.max_prompt,
                    vllm=params.answer.engine == "vllm",
                ),
            )
            for asked in run.asked
        )
        payload = RunJob(
            run=run,
            model=self.model,
            stop_token=stop,
            mixture=mixture,
            recipe=recipe,
            bf16=bf16,
            truncation=params.train.truncation,
            base=self.base.resolve(),
            prepared=self.prepared.resolve(),
            shots=shots,
            answer=params.answer,
            keep_weights=params.execute.keep_weights == "all",
            checkpoint_seconds=60 * params.execute.checkpoint_minutes,
            store=self.store,
            training_key=key,
            answers=answers,
            evaluate=evaluate if dev else None,
            dev=dev,
            only_on=self._only_on,
            identity={"base": self._base, "rows_digest": rows},
        )
        return Job(name=run.id, size=self._size(mixture, run, max_steps), payload=payload)

    def _recipe(self, run: Run, *, max_steps: int) -> Recipe:
        """Everything that decides what a run learns; who trains it settles what hangs on its machine."""
        train, execute = self.params.train, self.params.execute
        adapted = train.method in ("lora", "qlora")
        return Recipe(
            method=train.method,
            seed=run.seed,
            learning_rate=run.learning_rate,
            epochs=run.epochs,
            max_steps=max_steps,
            warmup_steps=run.warmup_steps,
            batch_size=train.batch_size,
            gradient_accumulation_steps=train.gradient_accumulation_steps,
            scheduler=train.scheduler,
            max_grad_norm=train.max_grad_norm,
            weight_decay=train.weight_decay,
            max_length=train.max_length,
            packing=train.packing,
            precision=train.precision,
            checkpointing=train.checkpointing,
            group_by_length=not train.packing,
            attention=train.attention,
            compile=train.compile,
            liger=train.liger,
            lora=LoraShape(train.lora.rank, train.lora.alpha, train.lora.dropout) if adapted else None,
            virtual_tokens=train.prompt_tuning.virtual_tokens if train.method == "prompt_tuning" else 0,
            devices=execute.gpus_per_run,
            tree_tokens=execute.tree_tokens if execute.share_prefixes and not train.packing else 0,
        )

    def _dev_facts(self, dev: Sequence[Asked]) -> list[Any] | None:
        """What a training's key says of the dev sets that are asked on the way."""
        evaluate, longest = self.params.train.evaluate, self.params.answer.max_prompt
        if evaluate is None or not dev:
            return None
        sets = [self._evaluation_set(asked, NO_SHOTS).digest() for asked in dev]
        return [evaluate.points, evaluate.keep, longest, sets, max(ANSWERING_RULES)]

    def _rows_digest(self, mixture: Mixture | None) -> str:
        """The digest of the rows' contents in training order; "" for the base."""
        if mixture is None:
            return ""
        return digest_text("\n".join(self._train_rows[item][0] for item in mixture.rows))

    def _size(self, mixture: Mixture | None, run: Run, max_steps: int) -> int:
        """How much text a run reads, in characters: orders the runs and weights the progress bar."""
        answered = sum(self._characters(asked) for asked in run.asked)
        if mixture is None:
            return answered
        once = sum(self._train_rows[item][1] for item in mixture.rows)
        batch = self.params.train.batch_size * self.params.train.gradient_accumulation_steps
        passes = max_steps * batch / len(mixture.rows) if max_steps else run.epochs
        # A training step costs three forward passes.
        return answered + round(3 * once * passes)

    def _characters(self, asked: Asked) -> int:
        table = self._evaluation_set(asked, NO_SHOTS).table
        return int(table[["instruction", "input"]].map(len).to_numpy().sum())

    @cached_property
    def _train_rows(self) -> dict[str, tuple[str, int]]:
        """item -> digest of its texts, number of characters."""
        names = dict.fromkeys(name for mixture in self.mixtures.values() for name in mixture.sources)
        columns = ["item", "task", "instruction", "input", "answer"]
        return {
            values[0]: (digest_text("\0".join(values)), sum(map(len, values[2:])))
            for name in names
            for values in read_split(self.prepared, name, "train")[columns].itertuples(index=False, name=None)
        }

    @cached_property
    def _evaluation_set(self) -> Callable[[Asked, Shots], EvaluationSet]:
        return cache(partial(read_evaluation_set, self.prepared))

    @cached_property
    def _only_on(self) -> str:
        return device_name() if self.params.execute.accept == "same_type" else ""

    @cached_property
    def _base(self) -> str:
        return check_base(self.base)


def check_base(base: Path) -> str:
    """Compare a base model's files with its receipt and return what the base is.

    Raises:
        RunError: a file is missing or was changed.
    """
    receipt = read_json(base / "base.json")
    for name, digest in receipt["files"].items():
        if not (base / name).is_file() or digest_file(base / name) != digest:
            raise RunError(
                "a file of the base model was changed", where=str(base / name), fix="dvc repro base"
            )
    return str(receipt["identity"])


def planned_bytes(base: Path, *, jobs: Sequence[Job[RunJob]]) -> int:
    """Return how many bytes of weights the store will take for ``jobs``."""
    weights = sum(file.stat().st_size for file in base.glob("*.safetensors"))
    config = read_json(base / "config.json")
    stored_as_float32 = config.get("dtype", config.get("torch_dtype", "float32")) == "float32"
    whole = weights * (1 if stored_as_float32 else 2)
    kept = [job.payload.recipe for job in jobs if job.payload.keep_weights and job.payload.recipe]
    return sum(whole if recipe.method == "full" else whole // ADAPTER_PART for recipe in kept)
