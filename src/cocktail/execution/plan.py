"""From runs to jobs: what each run is made of, and the keys under which the store keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cocktail.config import Params
from cocktail.data.mixture import Mixture
from cocktail.data.table import read_split
from cocktail.errors import RunError
from cocktail.exam import NO_SHOTS, Shots, read_exam
from cocktail.execution.environment import choose_attention, visible_gpus
from cocktail.execution.identity import ANSWERING_CODE, TRAINING_CODE, code_digest, machine
from cocktail.execution.jobs import RunJob
from cocktail.execution.pool import Job
from cocktail.grid import Run
from cocktail.records import digest_file, digest_text, digest_value, read_json
from cocktail.store import Store
from cocktail.training.recipe import LoraShape, Recipe

ADAPTER_PART = 20  # an adapter is smaller than this part of its base by far


@dataclass(frozen=True)
class ExamFacts:
    """The digest of what is asked, and how much text it is."""

    digest: str
    characters: int


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
        mixture = self.mixtures.get(run.id)
        recipe = self._recipe(run, max_steps=max_steps) if mixture else None
        identity = {"base_digest": self._base_digest, "rows_digest": self._rows_digest(mixture)}
        training_key = digest_value(
            {
                "recipe": recipe.as_record() if recipe else {},
                "overlong": self.params.train.overlong,
                "stop_token": self._stop_token,
                "code": code_digest(TRAINING_CODE),
                **identity,
                **self._machine,
            }
        )
        shots = Shots(run.shots, self.params.study.seed)
        answer, half = self.params.answer, self.params.train.precision == "bf16"
        answers_key = digest_value(
            {
                "training": training_key,
                "model": self.model,
                "run": [run.id, run.kind, list(run.sources), run.seed],
                "half": half,
                "exam": self._exam(shots).digest,
                "answer": answer.model_dump(exclude={"shots"}),
                "code": code_digest(ANSWERING_CODE),
            }
        )
        payload = RunJob(
            run=run,
            model=self.model,
            stop_token=self._stop_token,
            mixture=mixture,
            recipe=recipe,
            half=half,
            overlong=self.params.train.overlong,
            base=self.base.resolve(),
            prepared=self.prepared.resolve(),
            evaluations=tuple(self.params.study.evaluations),
            shots=shots,
            answer=answer,
            keep_weights=self.params.execute.keep_weights == "all",
            checkpoint_seconds=60 * self.params.execute.checkpoint_minutes,
            store=self.store,
            training_key=training_key,
            answers_key=answers_key,
            identity=identity,
        )
        return Job(name=run.id, size=self._size(mixture, run, max_steps), payload=payload)

    def _recipe(self, run: Run, *, max_steps: int) -> Recipe:
        """Everything that decides what a run learns, resolved from params and run."""
        train = self.params.train
        adapted = train.method in ("lora", "qlora")
        return Recipe(
            method=train.method,
            seed=run.seed,
            learning_rate=run.learning_rate,
            epochs=run.epochs,
            max_steps=max_steps,
            warmup_steps=run.warmup_steps,
            batch_size=train.batch_size,
            accumulation=train.accumulation,
            scheduler=train.scheduler,
            clip=train.clip,
            weight_decay=train.weight_decay,
            max_length=train.max_length,
            packing=train.packing,
            precision=train.precision,
            checkpointing=train.checkpointing,
            group_by_length=not train.packing,
            attention=choose_attention(train),
            compile=train.compile,
            liger=train.liger,
            lora=LoraShape(train.lora.rank, train.lora.alpha, train.lora.dropout) if adapted else None,
            virtual_tokens=train.prompt_tuning.virtual_tokens if train.method == "prompt_tuning" else 0,
            devices=self.params.execute.gpus_per_run if visible_gpus() else 1,
        )

    def _rows_digest(self, mixture: Mixture | None) -> str:
        """The digest of the rows' contents in training order; "" for the base."""
        if mixture is None:
            return ""
        return digest_text("\n".join(self._train_rows[item][0] for item in mixture.rows))

    def _size(self, mixture: Mixture | None, run: Run, max_steps: int) -> int:
        """How much text a run reads, in characters: orders the runs and weights the progress bar."""
        if mixture is None:
            return self._exam(NO_SHOTS).characters
        once = sum(self._train_rows[item][1] for item in mixture.rows)
        batch = self.params.train.batch_size * self.params.train.accumulation
        passes = max_steps * batch / len(mixture.rows) if max_steps else run.epochs
        # A training step costs three forward passes.
        return self._exam(NO_SHOTS).characters + round(3 * once * passes)

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

    def _exam(self, shots: Shots) -> ExamFacts:
        if shots not in self._exams:
            sheet = read_exam(self.prepared, self.params.study.evaluations, shots)
            characters = int(sheet.table[["instruction", "input"]].map(len).to_numpy().sum())
            self._exams[shots] = ExamFacts(sheet.digest(), characters)
        return self._exams[shots]

    @cached_property
    def _exams(self) -> dict[Shots, ExamFacts]:
        return {}

    @cached_property
    def _base_digest(self) -> str:
        return check_base(self.base)

    @cached_property
    def _machine(self) -> dict[str, Any]:
        return machine()

    @property
    def _stop_token(self) -> str:
        return self.params.model(self.model).stop_token


def check_base(base: Path) -> str:
    """Compare a base model's files with its receipt and return the digest of both.

    Raises:
        RunError: a file is missing or was changed.
    """
    files: dict[str, str] = read_json(base / "base.json")["files"]
    for name, digest in files.items():
        if not (base / name).is_file() or digest_file(base / name) != digest:
            raise RunError(
                "a file of the base model was changed", where=str(base / name), fix="dvc repro base"
            )
    return digest_value(files)


def planned_bytes(base: Path, *, jobs: Sequence[Job[RunJob]]) -> int:
    """Return how many bytes of weights the store will take for ``jobs``."""
    weights = sum(file.stat().st_size for file in base.glob("*.safetensors"))
    config = read_json(base / "config.json")
    stored_as_float32 = config.get("dtype", config.get("torch_dtype", "float32")) == "float32"
    whole = weights * (1 if stored_as_float32 else 2)
    kept = [job.payload.recipe for job in jobs if job.payload.keep_weights and job.payload.recipe]
    return sum(whole if recipe.method == "full" else whole // ADAPTER_PART for recipe in kept)
