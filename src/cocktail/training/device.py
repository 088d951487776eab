"""Models onto the device of this process, and how near a training comes to what that can do."""

from __future__ import annotations

import gc
import os
import time
from dataclasses import replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, PreTrainedModel

from cocktail.data.prompts import Tokenizer
from cocktail.errors import RunError, first_line
from cocktail.training.prefix import TREE_TOKENS
from cocktail.training.recipe import Attention, Recipe, Training

SIZES = {"cuda": 8192, "cpu": 1024}  # large enough that a product takes far longer than its start
REPEATS = 5


def limit_threads(count: int) -> None:
    """Let torch use ``count`` threads: the number decides how sums are split, and so the last bits."""
    torch.set_num_threads(count)


def load_tokenizer(folder: Path) -> Tokenizer:
    """Load the tokenizer of a base, as stage ``base`` settled it (:mod:`cocktail.training.bases.tokens`).

    Raises:
        RunError: the folder holds none that can be read.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left", trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise RunError(f"no tokenizer can be read ({first_line(error)})", where=str(folder)) from None
    return tokenizer


def load_model(
    folder: Path, *, bf16: bool, four_bit: bool = False, attention: str = "sdpa"
) -> PreTrainedModel:
    """Load a model from safetensors; in bfloat16 if ``bf16``, else in float32.

    Args:
        four_bit: weights in 4 bits (NF4, as in the QLoRA paper, arXiv 2305.14314); needs bitsandbytes.
        attention: the name transformers gives an implementation of attention.

    Raises:
        RunError: the folder holds none that can be read.
    """
    dtype = torch.bfloat16 if bf16 else torch.float32
    quantised = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            quantization_config=quantised if four_bit else None,
            use_safetensors=True,
            trust_remote_code=False,
            attn_implementation=attention,
        )
    except (OSError, ValueError) as error:
        raise RunError(f"no model can be read ({first_line(error)})", where=str(folder)) from None
    return model if four_bit else model.to(device())


def device() -> torch.device:
    """Return the device on which this process loads models.

    One of several processes loads into ordinary memory: accelerate deals the parts out to the GPUs.
    """
    alone = int(os.environ.get("WORLD_SIZE", "1")) == 1
    return torch.device("cuda" if alone and torch.cuda.is_available() else "cpu")


def settled(recipe: Recipe) -> Recipe:
    """Return a recipe with what hangs on this machine: attention, number of devices, tokens of a tree.

    FlashAttention takes no mask of ours, so it computes packed rows only.
    """
    on_gpu = torch.cuda.is_available()
    flash = on_gpu and recipe.packing and recipe.precision == "bf16" and find_spec("flash_attn") is not None
    best: Attention = "flash_attention_2" if flash else "sdpa"
    tokens = TREE_TOKENS["cuda" if on_gpu else "cpu"]
    return replace(
        recipe,
        attention=best if recipe.attention == "auto" else recipe.attention,
        devices=recipe.devices if on_gpu else 1,
        tree_tokens=tokens if recipe.tree_tokens is None else recipe.tree_tokens,
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch or Python say that memory did not suffice; the CPU allocator only says so in words."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    said = ("not enough memory", "out of memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(words in str(error) for words in said)


def free_memory() -> None:
    """Give back what torch keeps of a GPU's memory for later; trainers hang in cycles till collected."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def peak_memory() -> int:
    """Return the most GPU memory this process held, in bytes; 0 without a GPU."""
    return int(torch.cuda.max_memory_allocated()) if torch.cuda.is_available() else 0


@lru_cache(maxsize=2)
def matmul_ceiling(*, bf16: bool) -> float:
    """Measure the floating-point operations per second of the best of some square matrix products.

    Args:
        bf16: in bfloat16, else in float32.
    """
    size = SIZES[device().type]
    dtype = torch.bfloat16 if bf16 else torch.float32
    left, right = (torch.rand(size, size, dtype=dtype, device=device()) for _ in range(2))
    best = float("inf")
    for _ in range(REPEATS):
        _finish()
        started = time.perf_counter()
        torch.matmul(left, right)
        _finish()
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best


def training_speed(training: Training, recipe: Recipe) -> dict[str, float]:
    """Return real tokens per second and the share of the ceiling they take.

    Padding is no token here. A token costs two operations per parameter forward, two backward, and two
    more for the gradients of the weights, which adapters do not need; attention itself is not counted.
    """
    tokens = training.total_tokens * training.epochs / max(training.seconds, 1e-9)
    operations = (6 if recipe.method == "full" else 4) * training.total_parameters
    ceiling = recipe.devices * matmul_ceiling(bf16=recipe.precision == "bf16")
    return {
        "tokens_per_second": round(tokens, 1),
        "share_of_ceiling": round(operations * tokens / ceiling, 4),
    }


def _finish() -> None:
    """Wait until a GPU has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
