"""A stand-in for vLLM: the used part of its interface, with its documented behaviour, on a CPU.

Names, defaults and behaviour are those of vLLM 0.25 to 0.33 (``SamplingParams``, ``LLM``, the scheduler's
``check_stop``, ``update_from_generation_config``). One whole forward pass per token, one row at a time.
"""

from __future__ import annotations

import json
import types
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Literal, TypedDict

import torch
from transformers import AutoModelForCausalLM

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class TokensPrompt(TypedDict):
    prompt_token_ids: list[int]


@dataclass
class SamplingParams:
    """The fields that are used, with vLLM's defaults."""

    temperature: float = 1.0
    stop_token_ids: list[int] | None = None
    ignore_eos: bool = False
    max_tokens: int = 16
    detokenize: bool = True
    allowed_token_ids: list[int] | None = None

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise ValueError("max_tokens must be at least 1")
        if self.allowed_token_ids == []:
            raise ValueError("allowed_token_ids is not None and empty!")


@dataclass
class CompletionOutput:
    token_ids: list[int]
    finish_reason: str


@dataclass
class RequestOutput:
    outputs: list[CompletionOutput]


class EngineCore:
    def __init__(self) -> None:
        self.alive = True

    def shutdown(self) -> None:
        self.alive = False


class LLM:
    """Loads the folder that it is given; ``made`` holds every instance, ``settings`` what it was given."""

    made: list[LLM] = []  # noqa: RUF012

    def __init__(
        self,
        model: str,
        *,
        skip_tokenizer_init: bool = False,
        trust_remote_code: bool = False,
        dtype: Literal["auto", "float32", "bfloat16"] = "auto",
        gpu_memory_utilization: float = 0.92,
        max_model_len: int | None = None,
        load_format: str = "auto",
        enable_prefix_caching: bool | None = None,
        generation_config: str = "auto",
    ) -> None:
        self.folder = Path(model)
        self.settings = {key: value for key, value in locals().items() if key not in ("self", "model")}
        self.files = {file.name for file in self.folder.iterdir()}
        self.network = AutoModelForCausalLM.from_pretrained(model, dtype=DTYPES[dtype]).eval()
        positions = self.network.config.max_position_embeddings
        self.max_model_len = positions if max_model_len is None else max_model_len
        if self.max_model_len > positions:
            raise ValueError("max_model_len is greater than the derived max_model_len")
        # Also with generation_config="vllm": that only drops the folder's sampling defaults.
        eos = json.loads((self.folder / "generation_config.json").read_text())["eos_token_id"]
        self.eos = set(eos) if isinstance(eos, list) else {eos}
        self.llm_engine = types.SimpleNamespace(engine_core=EngineCore())
        LLM.made.append(self)

    def generate(
        self, prompts: Sequence[TokensPrompt], sampling_params: Sequence[SamplingParams], *, use_tqdm: bool
    ) -> list[RequestOutput]:
        assert self.llm_engine.engine_core.alive
        assert prompts, "what vLLM makes of no prompts is not documented"
        return [
            RequestOutput([self._complete(prompt["prompt_token_ids"], params)])
            for prompt, params in zip(prompts, sampling_params, strict=True)
        ]

    @torch.inference_mode()
    def _complete(self, prompt: list[int], params: SamplingParams) -> CompletionOutput:
        if len(prompt) >= self.max_model_len:
            raise ValueError("the prompt is longer than the maximum model length")
        written: list[int] = []
        while True:
            scores = self.network(torch.tensor([[*prompt, *written]])).logits[0, -1].float()
            token = self._pick(scores, params)
            written.append(token)
            if token in (params.stop_token_ids or ()) or (token in self.eos and not params.ignore_eos):
                return CompletionOutput(written, "stop")
            if len(written) >= params.max_tokens or len(prompt) + len(written) >= self.max_model_len:
                return CompletionOutput(written, "length")

    def _pick(self, scores: torch.Tensor, params: SamplingParams) -> int:
        if params.allowed_token_ids is not None:
            masked = torch.full_like(scores, -torch.inf)
            masked[params.allowed_token_ids] = scores[params.allowed_token_ids]
            scores = masked
        if params.temperature == 0.0:
            return int(scores.argmax())
        return int(torch.multinomial((scores / params.temperature).softmax(dim=-1), 1))


def fake_module() -> types.ModuleType:
    """A module to put into ``sys.modules`` as "vllm"."""
    module = types.ModuleType("vllm")
    module.__spec__ = ModuleSpec("vllm", None)
    LLM.made.clear()
    for part in (LLM, SamplingParams, TokensPrompt):
        setattr(module, part.__name__, part)
    return module
