"""A random Llama of some thousand parameters as one GGUF file, with a byte-level vocabulary of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, TokenType, quants
from hub_like import CHATML, SPECIALS, byte_level
from numpy.typing import NDArray

HIDDEN, LAYERS, HEADS, FEED_FORWARD, CONTEXT = 32, 2, 2, 64, 256
Array = NDArray[np.float32]


def tensors(vocabulary: int, *, seed: int = 5) -> dict[str, Array]:
    """Random weights by GGUF's names."""
    rng = np.random.default_rng(seed)
    square, wide, tall = (HIDDEN, HIDDEN), (FEED_FORWARD, HIDDEN), (HIDDEN, FEED_FORWARD)
    shapes: dict[str, tuple[int, ...]] = {"token_embd": (vocabulary, HIDDEN), "output_norm": (HIDDEN,)}
    for layer in range(LAYERS):
        parts = {"attn_norm": (HIDDEN,), "ffn_norm": (HIDDEN,), "ffn_down": tall}
        parts |= dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), square)
        parts |= dict.fromkeys(("ffn_gate", "ffn_up"), wide)
        shapes |= {f"blk.{layer}.{part}": shape for part, shape in parts.items()}
    return {
        f"{name}.weight": rng.normal(0.0, 0.1, shape).astype(np.float32) for name, shape in shapes.items()
    }


def write_gguf(
    file: Path,
    *,
    architecture: str = "llama",
    quantised: bool = True,
    template: str | None = CHATML,
    specials: tuple[str, ...] = SPECIALS,
    left_out: str = "",
    weights: Mapping[str, Array] | None = None,
) -> Path:
    """Write the file: matrices as Q8_0 if ``quantised``, all else as F32.

    Args:
        left_out: the name of a tensor that the file lacks.
    """
    bpe = json.loads(byte_level(specials).to_str())["model"]
    tokens = sorted(bpe["vocab"], key=bpe["vocab"].get)
    writer = GGUFWriter(file, architecture)
    writer.add_name("Tiny")
    writer.add_license("cc0-1.0")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.CONTROL if token in specials else TokenType.NORMAL for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in bpe["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(tokens.index(specials[-1]))
    writer.add_pad_token_id(tokens.index(specials[-1]))
    writer.add_add_bos_token(False)
    if template is not None:
        writer.add_chat_template(template)
    for name, values in (tensors(len(tokens)) if weights is None else weights).items():
        if name == left_out:
            continue
        if quantised and values.ndim == 2:
            kind = GGMLQuantizationType.Q8_0
            writer.add_tensor(name, quants.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file
