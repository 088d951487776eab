"""One run in a worker process: rows, training, answers, receipt, into the store."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import time
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from cocktail.config import AnswerConfig
from cocktail.data.mixture import Mixture, mixture_rows
from cocktail.exam import Shots, read_exam
from cocktail.execution.energy import energy_joules
from cocktail.execution.environment import visible_gpus
from cocktail.execution.shortage import shortage
from cocktail.grid import Run
from cocktail.models.tokens import end_ids
from cocktail.prompts import Tokenizer, items_of
from cocktail.records import read_json, write_json, write_table
from cocktail.store import Store, read_runtime, write_runtime
from cocktail.training.recipe import Recipe, Training
from cocktail.training.rows import RowCounts, training_rows

if TYPE_CHECKING:
    from cocktail.training.methods import Answering

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
        recipe: None for the base.
        half: whether answers are computed in bfloat16.
        checkpoint_seconds: time from one checkpoint to the next.
        training_key, answers_key: where the store keeps weights and answers.
        identity: what the receipt says the keys were made of.
    """

    run: Run
    model: str
    stop_token: str
    mixture: Mixture | None
    recipe: Recipe | None
    half: bool
    overlong: Literal["fail", "drop", "cut"]
    base: Path
    prepared: Path
    evaluations: tuple[str, ...]
    shots: Shots
    answer: AnswerConfig
    keep_weights: bool
    checkpoint_seconds: float
    store: Store
    training_key: str
    answers_key: str
    identity: dict[str, str]


def execute(job: RunJob, wait: bool = True) -> None:
    """Train and answer, unless the store has it: another process may have been faster.

    Args:
        wait: whether to wait while another process is at this run.

    Raises:
        BusyError: another process is at this run, and ``wait`` is false.
        RunError: the run cannot be trained or answered; the reason is meant for people.
    """
    with job.store.lock(job.training_key, wait=wait):
        if job.store.have("answers", job.answers_key):
            shutil.rmtree(_checkpoints(job), ignore_errors=True)  # a killed process may have left them
            return
        try:
            _train_and_answer(job)
        except Exception as error:
            reason = shortage(error, job.store.root)
            if reason is None:
                raise
            raise reason from error


def _train_and_answer(job: RunJob) -> None:
    if job.answer.engine == "vllm":
        from cocktail.inference.vllm_engine import check_vllm

        check_vllm(job.recipe.method if job.recipe else "full")  # what cannot be answered is not trained
    started, energy = time.perf_counter(), energy_joules()
    answering, tokenizer, trained, speed = _tuned_model(job)
    trained_at = time.perf_counter()
    table = _answers(job, answering, tokenizer)
    answered_at = time.perf_counter()
    seconds = {"training": trained_at - started, "answering": answered_at - trained_at}
    used = None if energy is None else (energy_joules() or energy) - energy
    with job.store.publish("answers", job.answers_key) as folder:
        write_table(folder / "answers.parquet", table)
        write_json(folder / "receipt.json", _receipt(job, trained, table))
        write_runtime(folder, {"seconds": seconds, **speed, "energy_joules": used, **_machine()})
    shutil.rmtree(_checkpoints(job), ignore_errors=True)


def _tuned_model(job: RunJob) -> tuple[Answering, Tokenizer, dict[str, Any], dict[str, Any]]:
    """Return the run's model, the tokenizer, the training's part of the receipt, and its speed."""
    from cocktail.training.device import load_model
    from cocktail.training.methods import Answering, load_tuned, ready_to_answer

    tokenizer = _tokenizer(job.base)
    if job.mixture is None or job.recipe is None:
        return Answering(load_model(job.base, half=job.half)), tokenizer, {}, {}
    stored = job.store.have("runs", job.training_key)
    if stored:
        model = load_tuned(job.base, stored, job.recipe)
        trained, speed = read_json(stored / "training.json"), read_runtime(stored)
    else:
        model, trained, speed = _train(job, job.mixture, job.recipe, tokenizer)
    return ready_to_answer(model, job.recipe), tokenizer, trained, speed


def _train(
    job: RunJob, mixture: Mixture, recipe: Recipe, tokenizer: Tokenizer
) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Train, and store the weights if they are kept."""
    from cocktail.training.checkpoints import Checkpoints
    from cocktail.training.device import free_memory, is_out_of_memory
    from cocktail.training.launch import Task, fine_tune_on_devices
    from cocktail.training.methods import load_base
    from cocktail.training.sft import fine_tune
    from cocktail.training.speed import training_speed

    rows, counts = training_rows(
        tokenizer,
        items_of(mixture_rows(mixture, job.prepared)),
        stop_token=job.stop_token,
        max_length=recipe.max_length,
        overlong=job.overlong,
    )
    checkpoints = Checkpoints(_checkpoints(job), job.checkpoint_seconds)

    def fit(recipe: Recipe) -> tuple[Any, Training]:
        if recipe.devices > 1:
            free_memory()  # what this process kept from answering the run before
            return fine_tune_on_devices(rows, Task(job.base, job.stop_token, recipe, checkpoints))
        base = load_base(job.base, recipe)
        return fine_tune(
            base, tokenizer, rows, recipe=recipe, stop_token=job.stop_token, checkpoints=checkpoints
        )

    fitted: tuple[Any, Training] | None = None
    try:
        fitted = fit(recipe)
    except Exception as error:
        if recipe.checkpointing != "by_need" or not is_out_of_memory(error):
            raise
    if fitted is None:  # out of the block, where the error still held the first model
        free_memory()
        fitted = fit(replace(recipe, checkpointing="always"))
    model, training = fitted
    trained = _training_record(training, counts)
    speed = training_speed(training, recipe)
    if job.keep_weights:
        with job.store.publish("runs", job.training_key) as folder:
            model.save_pretrained(folder)
            write_json(folder / "training.json", trained)
            write_runtime(folder, speed)
    return model, trained, speed


def _checkpoints(job: RunJob) -> Path:
    return job.store.path("checkpoints", job.training_key)


def _training_record(training: Training, counts: dict[str, RowCounts]) -> dict[str, Any]:
    record = training.as_record()
    trained, total = record.pop("trained_tokens"), record.pop("total_tokens")
    return {
        **record,
        "tokens": {"trained": trained, "total": total},
        "rows": {source: count.as_record() for source, count in counts.items()},
    }


def _answers(job: RunJob, answering: Answering, tokenizer: Tokenizer) -> pd.DataFrame:
    from cocktail.inference.answer import answer_exam
    from cocktail.inference.generate import TorchEngine

    exam = _exam(job.base, job.prepared, job.evaluations, job.shots, job.answer.max_prompt, job.stop_token)
    ends = end_ids(job.base, tokenizer, job.stop_token)
    if job.answer.engine == "vllm":
        from cocktail.inference.vllm_engine import needed_context, vllm_engine

        workdir, context = job.store.root / "vllm", needed_context(exam)
        with vllm_engine(answering, tokenizer, ends=ends, context=context, workdir=workdir) as engine:
            return answer_exam(engine, tokenizer, exam)
    return answer_exam(
        TorchEngine(
            answering.model,
            ends=ends,
            pad=tokenizer.pad_token_id,
            batch_size=job.answer.batch_size,
            soft_prompt=answering.soft_prompt,
        ),
        tokenizer,
        exam,
    )


@lru_cache(maxsize=1)
def _tokenizer(base: Path) -> Tokenizer:
    from cocktail.training.device import load_tokenizer

    return load_tokenizer(base)


@lru_cache(maxsize=1)
def _exam(
    base: Path, prepared: Path, evaluations: tuple[str, ...], shots: Shots, max_prompt: int, stop_token: str
) -> Any:
    """The prompts of all items, rendered once per worker."""
    from cocktail.inference.answer import prepare_exam

    sheet = read_exam(prepared, evaluations, shots)
    return prepare_exam(_tokenizer(base), sheet, max_prompt=max_prompt, stop_token=stop_token)


def _receipt(job: RunJob, trained: dict[str, Any], table: pd.DataFrame) -> dict[str, Any]:
    """The run's receipt: nothing in it differs between two machines of one kind."""
    return {
        "run": job.run.id,
        "model": job.model,
        "kind": job.run.kind,
        "sources": list(job.run.sources),
        "seed": job.run.seed,
        "config": {
            **(job.recipe.as_record() if job.recipe else {}),
            "half": job.half,
            "overlong": job.overlong,
            "answer": {**job.answer.model_dump(), "shots": job.shots.count},
        },
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
        "gpus": len(visible_gpus()),
        "peak_memory_bytes": usage.ru_maxrss * 1024,  # Linux counts in KiB
        "peak_gpu_memory_bytes": peak_memory(),
    }
