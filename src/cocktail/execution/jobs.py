"""One run in a worker process: rows, training, answers, receipt, into the store."""

from __future__ import annotations

import os
import platform
import resource
import time
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import pandas as pd

from cocktail.config import AnswerConfig
from cocktail.data.mixture import Mixture, mixture_rows
from cocktail.errors import RunError
from cocktail.exam import read_exam
from cocktail.grid import Run
from cocktail.prompts import Tokenizer, items_of, training_rows
from cocktail.records import read_json, write_json, write_table
from cocktail.store import Store, write_runtime

NOT_TRAINED: dict[str, Any] = {
    "rows": {},
    "tokens": {"trained": 0, "total": 0},
    "steps": 0,
    "epochs": 0.0,
    "loss": [],
    "trainable_parameters": 0,
}


@dataclass(frozen=True)
class RunJob:
    """Everything a worker needs for one run; small, so that it travels between processes.

    Attributes:
        mixture: the rows to train on; None for the untouched base.
        recipe: fields of ``cocktail.training.sft.Recipe``; empty for the base.
        training_key, answers_key: where the store keeps weights and answers.
        identity: what the receipt says the keys were made of.
    """

    run: Run
    model: str
    stop_token: str
    mixture: Mixture | None
    recipe: dict[str, Any]
    overlong: Literal["fail", "drop", "cut"]
    base: Path
    prepared: Path
    evaluations: tuple[str, ...]
    answer: AnswerConfig
    keep_weights: bool
    store: Store
    training_key: str
    answers_key: str
    identity: dict[str, str]

    @property
    def half(self) -> bool:
        """Adapters are tuned on a bfloat16 base; full training keeps float32, or small steps are lost."""
        return bool(self.recipe) and self.recipe["precision"] == "bf16" and self.recipe["method"] == "lora"


def execute(job: RunJob) -> None:
    """Train and answer, unless the store has it: another process may have been faster.

    Raises:
        RunError: the run cannot be trained or answered; the reason is meant for people.
    """
    with job.store.lock(job.training_key):
        if job.store.have("answers", job.answers_key):
            return
        started = time.perf_counter()
        model, tokenizer, trained = _tuned_model(job)
        trained_at = time.perf_counter()
        table = _answers(job, model, tokenizer)
        seconds = {"training": trained_at - started, "answering": time.perf_counter() - trained_at}
        with job.store.publish("answers", job.answers_key) as folder:
            write_table(folder / "answers.parquet", table)
            write_json(folder / "receipt.json", _receipt(job, trained, table))
            write_runtime(folder, {"seconds": seconds, **_machine()})


def _tuned_model(job: RunJob) -> tuple[Any, Tokenizer, dict[str, Any]]:
    """Return the run's model, the tokenizer and the training's part of the receipt."""
    from cocktail.training.device import load_model

    tokenizer = _tokenizer(job.base)
    if job.mixture is None:
        return load_model(job.base, half=job.half), tokenizer, {}
    stored = job.store.have("runs", job.training_key)
    if stored:
        return load_model(stored, half=job.half), tokenizer, read_json(stored / "training.json")
    model, trained = _train(job, tokenizer)
    if job.keep_weights:
        with job.store.publish("runs", job.training_key) as folder:
            model.save_pretrained(folder)
            write_json(folder / "training.json", trained)
    return model, tokenizer, trained


def _train(job: RunJob, tokenizer: Tokenizer) -> tuple[Any, dict[str, Any]]:
    from cocktail.training.device import load_model
    from cocktail.training.sft import fine_tune, recipe_from

    if job.mixture is None:
        raise RunError("a run without rows cannot be trained", where=job.run.id)
    items = items_of(mixture_rows(job.mixture, job.prepared))
    recipe = recipe_from(job.recipe)
    rows, counts = training_rows(
        tokenizer,
        items,
        stop_token=job.stop_token,
        max_length=recipe.max_length,
        overlong=job.overlong,
    )
    with TemporaryDirectory() as workdir:
        model, training = fine_tune(
            load_model(job.base, half=job.half),
            tokenizer,
            rows,
            recipe=recipe,
            stop_token=job.stop_token,
            workdir=Path(workdir),
        )
    record = asdict(training)
    trained, total = record.pop("trained_tokens"), record.pop("total_tokens")
    return model, {
        **record,
        "tokens": {"trained": trained, "total": total},
        "rows": {source: count.as_record() for source, count in counts.items()},
    }


def _answers(job: RunJob, model: Any, tokenizer: Tokenizer) -> pd.DataFrame:
    from cocktail.inference.answer import answer_exam

    exam = _exam(job.base, job.prepared, job.evaluations, job.answer, job.stop_token)
    return answer_exam(model, tokenizer, exam, stop_token=job.stop_token, batch_size=job.answer.batch_size)


@lru_cache(maxsize=1)
def _tokenizer(base: Path) -> Tokenizer:
    from cocktail.training.device import load_tokenizer

    return load_tokenizer(base)


@lru_cache(maxsize=1)
def _exam(
    base: Path, prepared: Path, evaluations: tuple[str, ...], settings: AnswerConfig, stop_token: str
) -> Any:
    """The prompts of all items, rendered once per worker."""
    from cocktail.inference.answer import prepare_exam

    sheet = read_exam(prepared, evaluations)
    return prepare_exam(_tokenizer(base), sheet, max_prompt=settings.max_prompt, stop_token=stop_token)


def _receipt(job: RunJob, trained: dict[str, Any], table: pd.DataFrame) -> dict[str, Any]:
    """The run's receipt: nothing in it differs between two machines of one kind."""
    return {
        "run": job.run.id,
        "model": job.model,
        "kind": job.run.kind,
        "sources": list(job.run.sources),
        "seed": job.run.seed,
        "config": {**job.recipe, "overlong": job.overlong, "answer": job.answer.model_dump()},
        **job.identity,
        **(trained or NOT_TRAINED),
        "answered": len(table),
        "empty_answers": int((table["answer"].str.strip() == "").sum()),
        "not_stopped": int((~table["stopped"]).sum()),
    }


def _machine() -> dict[str, Any]:
    from cocktail.training.device import peak_memory

    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "host": platform.node(),
        "process": os.getpid(),
        "peak_memory_bytes": usage.ru_maxrss * 1024,  # Linux counts in KiB
        "peak_gpu_memory_bytes": peak_memory(),
    }
