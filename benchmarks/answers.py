"""The sides of the answering benchmark, each a process of its own in a workbench: tune, answer, compare.

Answers are files of token ids without the stop token. Two answers that differ do so from one token on; where
the model gives both candidates almost the same score there, it is a near tie, which other sums of the same
numbers may settle either way.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from own import job_of, tune

from cocktail.config import Params, load_params
from cocktail.data.evaluation_set import read_evaluation_set
from cocktail.data.grid import Asked
from cocktail.data.prompts import token_id
from cocktail.files.records import read_json, write_json
from cocktail.inference.engine import Question

LIMIT = 64  # tokens of an answer, for all tasks
RUN = "all"
NEAR = {"torch.float32": 1e-3, "torch.bfloat16": 0.25}  # differences of scores (logits) that rounding makes
Answers = list[list[int]]


def questions(params: Params, tokenizer: Any, *, every: int, dev: bool) -> list[Question]:
    """Return the study's evaluation sets in its order, every n-th item; ``dev``: with the dev rows."""
    from cocktail.inference.answer import render_set

    model = params.model(next(iter(params.models)))
    asked = []
    for name in params.study.evaluations:
        rendered = render_set(
            tokenizer,
            read_evaluation_set(Path("data/prepared"), Asked(name, dev=dev, test_rows=None)),
            max_prompt=params.answer.max_prompt,
            stop_token=model.stop_token,
        )
        asked += [Question(prompt.ids, LIMIT) for prompt in rendered.prompts]
    return asked[::every]


@contextmanager
def opened(
    name: str, model: Any, tokenizer: Any, *, stop: int, batch: int, context: int
) -> Iterator[Callable[[Sequence[Question]], Answers]]:
    """Yield a function that answers with one engine, loaded."""
    from cocktail.inference.generate import TorchEngine

    if name == "plain":
        yield partial(plain, model, tokenizer, stop=stop, batch=batch)
    elif name == "ours":
        engine = TorchEngine(model, ends=(stop,), batch_size=batch)
        yield lambda asked: [list(answer.ids) for answer in engine.generate(asked)]
    else:
        from cocktail.inference.vllm_engine import vllm_engine
        from cocktail.training.methods import Answering

        with vllm_engine(
            Answering(model), tokenizer, ends=(stop,), context=context, workdir=Path("vllm")
        ) as loaded:
            yield lambda asked: [list(answer.ids) for answer in loaded.generate(asked)]


def plain(model: Any, tokenizer: Any, asked: Sequence[Question], *, stop: int, batch: int) -> Answers:
    """Answer with ``generate`` of transformers, in batches as the questions come."""
    import torch

    answers: Answers = []
    for start in range(0, len(asked), batch):
        prompts = [list(question.prompt) for question in asked[start : start + batch]]
        given = tokenizer.pad({"input_ids": prompts}, padding_side="left", return_tensors="pt")
        with torch.inference_mode():
            whole = model.generate(
                **given.to(model.device),
                max_new_tokens=LIMIT,
                do_sample=False,
                eos_token_id=stop,
                pad_token_id=tokenizer.pad_token_id,
            )
        written = whole[:, given["input_ids"].shape[1] :].tolist()
        answers += [ids[: ids.index(stop)] if stop in ids else ids for ids in written]
    return answers


def tune_model(arguments: argparse.Namespace) -> dict[str, Any]:
    """Tune the base on all sources, so that its answers end; an adapter is merged into it."""
    from cocktail.training.methods import ready_to_answer

    job = job_of(load_params(Path("params.yaml")), RUN)
    model, tokenizer, said = tune(job, workdir=Path("tuning"))
    if job.recipe and job.recipe.lora:
        model = ready_to_answer(model, job.recipe).model
    model.save_pretrained(arguments.model)
    tokenizer.save_pretrained(arguments.model)
    return said


def answer(arguments: argparse.Namespace) -> dict[str, Any]:
    """Time one engine over the evaluation sets, loading and a first batch left out."""
    from cocktail.training.bf16 import bf16_anywhere
    from cocktail.training.device import load_model, load_tokenizer, peak_memory

    params = load_params(Path("params.yaml"))
    tokenizer = load_tokenizer(arguments.model)
    model = load_model(arguments.model, bf16=params.train.precision == "bf16").eval()
    stop = token_id(tokenizer, params.model(next(iter(params.models))).stop_token)
    asked = questions(params, tokenizer, every=arguments.every, dev=not arguments.test_only)
    batch = arguments.batch_size or params.answer.batch_size
    context = max(len(question.prompt) for question in asked) + LIMIT
    with (
        bf16_anywhere(wanted=params.train.precision == "bf16"),
        opened(arguments.engine, model, tokenizer, stop=stop, batch=batch, context=context) as engine,
    ):
        engine(asked[:batch])
        started = time.perf_counter()
        answers = engine(asked)
        seconds = time.perf_counter() - started
    write_json(arguments.out, answers)
    return {
        "rows": len(asked),
        "seconds": seconds,
        "rows_per_second": len(asked) / seconds,
        "tokens": sum(map(len, answers)),
        "longest": max(map(len, answers)),
        "gpu_bytes": peak_memory(),
    }


def compare(arguments: argparse.Namespace) -> dict[str, Any]:
    """Count equal answers, near ties and real differences between two files of answers."""
    from cocktail.training.device import load_model, load_tokenizer

    params = load_params(Path("params.yaml"))
    model = load_model(arguments.model, bf16=params.train.precision == "bf16").eval()
    tokenizer = load_tokenizer(arguments.model)
    asked = questions(params, tokenizer, every=arguments.every, dev=not arguments.test_only)
    stop = token_id(tokenizer, params.model(next(iter(params.models))).stop_token)
    first, second = (read_json(path) for path in arguments.answers)
    gaps = [
        gap(model, [*question.prompt], one, other, stop=stop)
        for question, one, other in zip(asked, first, second, strict=True)
        if one != other
    ]
    near = sum(found <= NEAR[str(model.dtype)] for found in gaps)
    return {"rows": len(asked), "equal": len(asked) - len(gaps), "near_ties": near, "gaps": gaps}


def gap(model: Any, prompt: list[int], one: list[int], other: list[int], *, stop: int) -> float:
    """Return how far apart the scores of both candidates are where two answers part."""
    import torch

    left, right = [*one, stop], [*other, stop]
    common = next(n for n, (a, b) in enumerate(zip(left, right, strict=False)) if a != b)
    with torch.inference_mode():
        ids = torch.tensor([prompt + left[:common]], device=model.device)
        scores = model(input_ids=ids, use_cache=False).logits[0, -1].float()
    return abs(float(scores[left[common]] - scores[right[common]]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", choices=["tune", "answer", "compare"])
    parser.add_argument("--model", type=Path, required=True, help="folder of the tuned model")
    parser.add_argument("--engine", choices=["ours", "plain", "vllm"])
    parser.add_argument("--batch-size", type=int, help="default: the study's")
    parser.add_argument("--every", type=int, default=1, help="take every n-th item of the evaluation sets")
    parser.add_argument("--test-only", action="store_true", help="leave the dev rows out")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--answers", type=Path, nargs=2)
    arguments = parser.parse_args()
    work = {"tune": tune_model, "answer": answer, "compare": compare}[arguments.work]
    print(json.dumps(work(arguments)))


if __name__ == "__main__":
    main()
