"""From runs to jobs: what each run is made of, and the keys under which the store keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cocktail
from cocktail.config import Params
from cocktail.data.mixture import Mixture
from cocktail.data.table import read_split
from cocktail.errors import RunError
from cocktail.exam import ExamSheet, read_exam
from cocktail.execution.environment import device_name, library_versions
from cocktail.execution.jobs import RunJob
from cocktail.execution.pool import Job
from cocktail.grid import Run
from cocktail.records import digest_file, digest_text, digest_value, read_json
from cocktail.store import Store

PACKAGE = Path(cocktail.__file__).parent
TRAINING_CODE = ("prompts.py", "training/sft.py", "training/device.py")
ANSWERING_CODE = (
    "prompts.py",
    "exam.py",
    "inference/generate.py",
    "inference/labels.py",
    "inference/answer.py",
)


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
        recipe = self._recipe(run, max_steps=max_steps) if mixture else {}
        identity = {"base_digest": self._base_digest, "rows_digest": self._rows_digest(mixture)}
        training_key = digest_value(
            {
                "recipe": recipe,
                "overlong": self.params.train.overlong,
                "stop_token": self._stop_token,
                "code": _code_digest(TRAINING_CODE),
                **identity,
                **self._machine,
            }
        )
        answer = self.params.answer
        answers_key = digest_value(
            {
                "training": training_key,
                "run": [run.id, run.kind, list(run.sources), run.seed],
                "exam": self._exam_digest,
                "answer": answer.model_dump(),
                "code": _code_digest(ANSWERING_CODE),
            }
        )
        payload = RunJob(
            run=run,
            model=self.model,
            stop_token=self._stop_token,
            mixture=mixture,
            recipe=recipe,
            overlong=self.params.train.overlong,
            base=self.base.resolve(),
            prepared=self.prepared.resolve(),
            evaluations=tuple(self.params.study.evaluations),
            answer=answer,
            keep_weights=self.params.execute.keep_weights == "all",
            store=self.store,
            training_key=training_key,
            answers_key=answers_key,
            identity=identity,
        )
        return Job(name=run.id, size=self._size(mixture, run, max_steps), payload=payload)

    def _recipe(self, run: Run, *, max_steps: int) -> dict[str, Any]:
        """The fields of ``cocktail.training.sft.Recipe``, resolved from params and run."""
        train = self.params.train
        return {
            "method": train.method,
            "seed": run.seed,
            "learning_rate": run.learning_rate,
            "epochs": run.epochs,
            "max_steps": max_steps,
            "warmup_steps": run.warmup_steps,
            "batch_size": train.batch_size,
            "accumulation": train.accumulation,
            "scheduler": train.scheduler,
            "clip": train.clip,
            "weight_decay": train.weight_decay,
            "max_length": train.max_length,
            "packing": train.packing,
            "precision": train.precision,
            "checkpointing": train.checkpointing,
            "group_by_length": not train.packing,
            "lora": train.lora.model_dump(include={"rank", "alpha", "dropout"})
            if train.method == "lora"
            else None,
        }

    def _rows_digest(self, mixture: Mixture | None) -> str:
        """The digest of the rows' contents in training order; "" for the base."""
        if mixture is None:
            return ""
        return digest_text("\n".join(self._train_rows[item][0] for item in mixture.rows))

    def _size(self, mixture: Mixture | None, run: Run, max_steps: int) -> int:
        """How much text a run reads, in characters: orders the runs and weights the progress bar."""
        if mixture is None:
            return self._exam_size
        once = sum(self._train_rows[item][1] for item in mixture.rows)
        batch = self.params.train.batch_size * self.params.train.accumulation
        passes = max_steps * batch / len(mixture.rows) if max_steps else run.epochs
        return self._exam_size + round(3 * once * passes)  # a training step costs three forward passes

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
    def _exam(self) -> ExamSheet:
        return read_exam(self.prepared, self.params.study.evaluations)

    @cached_property
    def _exam_digest(self) -> str:
        return self._exam.digest()

    @cached_property
    def _exam_size(self) -> int:
        return int(self._exam.table[["instruction", "input"]].map(len).to_numpy().sum())

    @cached_property
    def _base_digest(self) -> str:
        return check_base(self.base)

    @cached_property
    def _machine(self) -> dict[str, Any]:
        return {"device": device_name(), "versions": library_versions()}

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
    stored_as_float32 = read_json(base / "config.json").get("dtype", "float32") == "float32"
    kept = [job for job in jobs if job.payload.keep_weights and job.payload.mixture]
    return sum(weights * (1 if stored_as_float32 or job.payload.half else 2) for job in kept)


def _code_digest(files: Sequence[str]) -> str:
    return digest_value({name: digest_file(PACKAGE / name) for name in files})
