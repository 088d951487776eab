"""One run in a worker process: rows, training, answers, receipt, into the store."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from cocktail.data.evaluation_set import Shots, read_evaluation_set
from cocktail.data.grid import Asked
from cocktail.data.mixture import Mixture, mixture_rows
from cocktail.data.prompts import Tokenizer, items_of
from cocktail.errors import RunError
from cocktail.files.records import write_json
from cocktail.files.store import write_runtime
from cocktail.runs.finished import how_ended, publish_answers
from cocktail.runs.jobs import RunJob, dev_watch
from cocktail.runs.resources import cost_of, energy_joules, shortage
from cocktail.training.bases.tokens import end_ids
from cocktail.training.environment import device_name
from cocktail.training.recipe import Recipe, Training
from cocktail.training.rows import RowCounts, training_rows

if TYPE_CHECKING:
    from cocktail.inference.engine import Engine
    from cocktail.training.methods import Answering


def execute(job: RunJob, wait: bool = True) -> None:
    """Train and answer, unless the store has it: another process may have been faster.

    Args:
        wait: whether to wait while another process is at this run.

    Raises:
        BusyError: another process is at this run, and ``wait`` is false.
        RunError: the run cannot be trained or answered; the reason is meant for people.
    """
    store = job.store
    with store.lock(job.lock_key, wait=wait):
        known = job.recipe is None or job.stored_training() is not None
        # Answers of a model that was trained on another device are not those of the one trained here.
        anew = not known and job.only_on
        missing = [one for one in job.answers if anew or job.stored_answers(one[1]) is None]
        try:
            if missing or not known:
                _train_and_answer(job, missing)
        except Exception as error:
            reason = shortage(error, store.root)
            if reason is None:
                raise
            raise reason from error
        shutil.rmtree(_checkpoints(job), ignore_errors=True)  # a killed process, too, may have left them


def _train_and_answer(job: RunJob, missing: Sequence[tuple[Asked, str]]) -> None:
    if job.answer.engine == "vllm":
        from cocktail.inference.vllm_engine import check_vllm

        check_vllm(job.recipe.method if job.recipe else "full")  # what cannot be answered is not trained
    tokenizer = _tokenizer(job.base)
    answering = _tuned_model(job, tokenizer)
    if not missing:
        return
    with _engine(job, answering, tokenizer, [asked for asked, _ in missing]) as engine:
        # A model may say nothing to one set; one that says nothing at all stops at the wrong token.
        speaks, held = len(missing) < len(job.run.asked), list[tuple[str, pd.DataFrame, dict[str, Any]]]()
        for asked, key in missing:
            started, energy = time.perf_counter(), energy_joules()
            table = _answers(job, engine, tokenizer, asked)
            held.append((key, table, cost_of("answering", started, energy)))
            speaks = speaks or how_ended(table)["empty_answers"] < len(table)
            while speaks and held:
                ready, answers, cost = held.pop(0)
                publish_answers(job.store, ready, answers, made_on=device_name(), runtime=cost)
        if held:
            raise RunError("all answers are empty", fix="models.<name>.stop_token")


def _tuned_model(job: RunJob, tokenizer: Tokenizer) -> Answering:
    """Return the run's model: the base, the stored one, or, where its weights were not kept, trained anew."""
    from cocktail.training.device import load_model, settled
    from cocktail.training.methods import Answering, load_tuned, ready_to_answer

    if job.mixture is None or job.recipe is None:
        return Answering(load_model(job.base, bf16=job.bf16))
    recipe = settled(job.recipe)
    stored = job.store.have("tuned", job.training_key)
    if stored and job.stored_training():
        return ready_to_answer(load_tuned(job.base, stored, recipe), recipe)
    return ready_to_answer(_train(job, job.mixture, recipe, tokenizer), recipe)


def _train(job: RunJob, mixture: Mixture, recipe: Recipe, tokenizer: Tokenizer) -> Any:
    """Train, store how it went, and the weights if they are kept; return the model."""
    from cocktail.training.checkpoints import Checkpoints
    from cocktail.training.device import free_memory, is_out_of_memory, training_speed
    from cocktail.training.launch import LaunchTask, fine_tune_on_devices
    from cocktail.training.methods import load_base
    from cocktail.training.sft import fine_tune

    started, energy = time.perf_counter(), energy_joules()
    rows, counts = training_rows(
        tokenizer,
        items_of(mixture_rows(mixture, job.prepared)),
        stop_token=job.stop_token,
        max_length=recipe.max_length,
        truncation=job.truncation,
    )
    checkpoints = Checkpoints(_checkpoints(job), job.checkpoint_seconds)
    dev = [_asked_of(job, asked) for asked in job.dev]

    def fit(recipe: Recipe) -> tuple[Any, Training]:
        if recipe.devices > 1:
            free_memory()  # what this process kept from answering the run before
            return fine_tune_on_devices(rows, LaunchTask(job.base, job.stop_token, recipe, checkpoints))
        base = load_base(job.base, recipe)
        watch = dev_watch(job, tokenizer, recipe, sets=dev, folder=checkpoints.folder)
        stop = job.stop_token
        return fine_tune(
            base, tokenizer, rows, recipe=recipe, stop_token=stop, checkpoints=checkpoints, watch=watch
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
    cost = {**cost_of("training", started, energy), **training_speed(training, recipe)}
    if job.keep_weights:  # before its receipt, with which the training counts as done
        with job.store.publish("tuned", job.training_key) as folder:
            model.save_pretrained(folder)
    with job.store.publish("runs", job.training_key) as folder:
        write_json(folder / "training.json", _training_record(training, counts, recipe))
        write_runtime(folder, cost)
    return model


def _checkpoints(job: RunJob) -> Path:
    return job.store.path("checkpoints", job.training_key)


def _training_record(training: Training, counts: dict[str, RowCounts], recipe: Recipe) -> dict[str, Any]:
    record = training.as_record()
    trained, total = record.pop("trained_tokens"), record.pop("total_tokens")
    made_on = {
        "device": device_name(),
        "devices": recipe.devices,
        "attention": recipe.attention,
        "prefixes_shared": record.pop("shared"),
        # in bfloat16 long answers hang on what is read together; older runs answered one tree at a time
        **({"trees_joined": True} if recipe.precision == "bf16" else {}),
    }
    return {
        **record,
        "tokens": {"trained": trained, "total": total},
        "rows": {source: count.as_record() for source, count in counts.items()},
        "made_on": made_on,
    }


@contextmanager
def _engine(
    job: RunJob, answering: Answering, tokenizer: Tokenizer, asked: Sequence[Asked]
) -> Iterator[Engine]:
    """Yield what answers; of vLLM it is told how long questions and answers are."""
    from cocktail.inference.generate import TorchEngine
    from cocktail.training.bf16 import bf16_anywhere

    ends = end_ids(job.base, tokenizer, job.stop_token)
    if job.answer.engine == "vllm":
        from cocktail.inference.vllm_engine import needed_context, vllm_engine

        workdir = job.store.root / "vllm"
        context = max(needed_context(_asked_of(job, one)) for one in asked)
        with vllm_engine(answering, tokenizer, ends=ends, context=context, workdir=workdir) as engine:
            yield engine
        return
    with bf16_anywhere(wanted=job.bf16):
        yield TorchEngine(
            answering.model,
            ends=ends,
            batch_size=job.answer.batch_size,
            soft_prompt=answering.soft_prompt,
        )


def _answers(job: RunJob, engine: Engine, tokenizer: Tokenizer, asked: Asked) -> pd.DataFrame:
    from cocktail.inference.answer import answer_set

    return answer_set(engine, tokenizer, _asked_of(job, asked))


@lru_cache(maxsize=1)
def _tokenizer(base: Path) -> Tokenizer:
    from cocktail.training.device import load_tokenizer

    return load_tokenizer(base)


def _asked_of(job: RunJob, asked: Asked) -> Any:
    return _rendered(job.base, job.prepared, asked, job.shots, job.answer.max_prompt, job.stop_token)


@lru_cache(maxsize=64)  # the evaluation sets of a study, asked in two or three ways
def _rendered(
    base: Path, prepared: Path, asked: Asked, shots: Shots, max_prompt: int, stop_token: str
) -> Any:
    """The prompts of all items, rendered once per worker."""
    from cocktail.inference.answer import render_set

    asked_set = read_evaluation_set(prepared, asked, shots)
    return render_set(_tokenizer(base), asked_set, max_prompt=max_prompt, stop_token=stop_token)
