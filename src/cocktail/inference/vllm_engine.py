"""vLLM as the engine of answering: an optional extra for GPUs, never needed for a result.

Written against the sources and documentation of vLLM 0.25 to 0.33. vLLM, torch and peft are imported in
functions, so that ``check_vllm`` costs nothing before a run. Two things must be known about vLLM:
``generation_config="vllm"`` ignores the defaults of a folder's generation_config.json but not its
end-of-sequence tokens, which ``ignore_eos`` does; and an answer's ids include the stop token. Greedy answers
of a GPU can depend on what shares a batch; ``VLLM_BATCH_INVARIANT=1`` in the environment prevents that
where the card can.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from cocktail.data.prompts import Tokenizer
from cocktail.errors import RunError, first_line
from cocktail.inference.answer import RenderedSet
from cocktail.inference.engine import Generated, Question, choose_labels
from cocktail.life import ticking
from cocktail.training.environment import environment, visible_gpus

if TYPE_CHECKING:
    from cocktail.training.methods import Answering

BUILTIN = "answer.engine=builtin"
NOT_TAKEN = {"prompt_tuning": "learned prompts", "qlora": "adapters on a base of 4 bits"}
GPU_SHARE = 0.85  # of a GPU's memory; the rest is for this process's own CUDA context


def check_vllm(method: str) -> None:
    """Say early, best before training, why vLLM could not answer here.

    Args:
        method: the training method of the runs; "full" for the untouched base.

    Raises:
        RunError: the method leaves nothing that vLLM loads, no GPU, or vLLM is not installed.
    """
    if method in NOT_TAKEN:
        raise RunError(f"vLLM takes no {NOT_TAKEN[method]} (method {method})", fix=BUILTIN)
    if not visible_gpus():
        raise RunError("vLLM needs an NVIDIA GPU, and there is none", fix=BUILTIN)
    if find_spec("vllm") is None:
        raise RunError("vLLM is not installed", fix=f"pip install -e '.[vllm]' in a clone, or {BUILTIN}")


def needed_context(rendered: RenderedSet) -> int:
    """Return the tokens that a set's longest prompt and what may follow it take together."""
    tasks = rendered.asked.tasks
    return max(
        len(prompt.ids) + max(tasks[task].max_new_tokens, _depth(rendered.tries.get(task)))
        for task, prompt in zip(rendered.asked.table["task"], rendered.prompts, strict=True)
    )


@dataclass(frozen=True)
class VllmEngine:
    """A model loaded in vLLM, which makes its own batches and keeps what prompts share.

    Attributes:
        llm: the ``vllm.LLM``.
        ends: ids of the tokens that end an answer.
        context: tokens; vLLM would silently cut an answer that went beyond.
    """

    llm: Any
    ends: tuple[int, ...]
    context: int

    def generate(self, questions: Sequence[Question]) -> list[Generated]:
        """Answer ``questions`` greedily; the result is in their order.

        Raises:
            RunError: a prompt and its answer do not fit, or vLLM gave an answer up.
        """
        answers = self._write(
            [question.prompt for question in questions],
            [{"max_tokens": question.limit, "stop_token_ids": list(self.ends)} for question in questions],
        )
        labelled = [(index, one.labels) for index, one in enumerate(questions) if one.labels]
        found = choose_labels(
            self.choose,
            [questions[index].prompt for index, _ in labelled],
            [labels for _, labels in labelled],
        )
        named = {index: label for (index, _), label in zip(labelled, found, strict=True)}
        return [_generated(answer, self.ends, named.get(index, "")) for index, answer in enumerate(answers)]

    def choose(self, rows: Sequence[Sequence[int]], allowed: Sequence[Sequence[int]]) -> list[int]:
        """Return for each row of token ids the best next token among those allowed there.

        Of equal scores vLLM takes the lower id, our own loop the first of those allowed.
        """
        settings = [{"max_tokens": 1, "allowed_token_ids": list(tokens)} for tokens in allowed]
        return [int(written.token_ids[0]) for written in self._write(rows, settings)]

    def _write(self, rows: Sequence[Sequence[int]], settings: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Return vLLM's ``CompletionOutput`` for each row, in order."""
        from vllm import SamplingParams, TokensPrompt

        for row, setting in zip(rows, settings, strict=True):
            if len(row) + setting["max_tokens"] > self.context:
                raise RunError(
                    f"{len(row)} tokens and {setting['max_tokens']} more do not fit into {self.context}",
                    fix="answer.max_prompt",
                )
        if not rows:
            return []
        with ticking():
            outputs = self.llm.generate(
                [TokensPrompt(prompt_token_ids=list(row)) for row in rows],
                [SamplingParams(temperature=0.0, ignore_eos=True, detokenize=False, **s) for s in settings],
                use_tqdm=False,  # workers run side by side under one bar
            )
        return [output.outputs[0] for output in outputs]


@contextmanager
def vllm_engine(
    answering: Answering, tokenizer: Tokenizer, *, ends: tuple[int, ...], context: int, workdir: Path
) -> Iterator[VllmEngine]:
    """Load a model in vLLM, by way of a temporary folder in ``workdir``; at the end nothing of it is left.

    The model itself moves to the CPU, because its place on the GPU is needed.

    Args:
        ends: ids of the tokens that end an answer.
        context: tokens of the longest prompt with its answer (``needed_context``).

    Raises:
        RunError: as ``check_vllm``; the context is longer than the model's, or vLLM cannot load it.
    """
    from cocktail.training.device import free_memory

    check_vllm(_method_of(answering))
    longest = answering.model.config.max_position_embeddings
    if context > longest:
        raise RunError(
            f"prompts and answers of {context} tokens do not fit into the model's {longest}",
            fix="answer.max_prompt",
        )
    workdir.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=workdir, prefix="vllm-") as folder:
        answering.model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        dtype = str(answering.model.dtype).removeprefix("torch.")
        answering.model.to("cpu")
        free_memory()
        llm = _load(folder, dtype=dtype, context=context)
        try:
            yield VllmEngine(llm, ends, context)
        finally:
            llm.llm_engine.engine_core.shutdown()  # ends vLLM's process, and with it goes the GPU memory


def _load(folder: str, *, dtype: str, context: int) -> Any:
    from vllm import LLM

    try:
        with environment({"VLLM_NO_USAGE_STATS": "1"}):
            return LLM(
                model=folder,
                skip_tokenizer_init=True,  # questions and answers are token ids
                trust_remote_code=False,
                load_format="safetensors",
                dtype=dtype,
                max_model_len=context,
                gpu_memory_utilization=GPU_SHARE,
                enable_prefix_caching=True,
                generation_config="vllm",
            )
    except (RuntimeError, ValueError) as error:
        raise RunError(f"vLLM cannot load the model ({first_line(error)})", fix=BUILTIN) from error


def _generated(answer: Any, ends: tuple[int, ...], label: str) -> Generated:
    ids = tuple(answer.token_ids)
    stopped = bool(ids) and ids[-1] in ends
    if answer.finish_reason != ("stop" if stopped else "length"):
        raise RunError(f"vLLM ended an answer with {answer.finish_reason!r}", fix=BUILTIN)
    return Generated(ids[:-1] if stopped else ids, stopped, label)


def _method_of(answering: Answering) -> str:
    """The method that left such a model, as far as vLLM is concerned."""
    from peft import PeftModel

    if answering.soft_prompt is not None:
        return "prompt_tuning"
    return "qlora" if isinstance(answering.model, PeftModel) else "full"


def _depth(trie: Any) -> int:
    """How many tokens the longest label of a trie has."""
    return 1 + max(map(_depth, trie.values())) if isinstance(trie, dict) else 0
