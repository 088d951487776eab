"""A GGUF file becomes a folder in the Hub's layout: float32 safetensors, config, tokenizer.

transformers reads the file through the package ``gguf`` (as data: tensors, numbers and texts); the rounded
weights are made float again, which is exact. Two things of its reader are mended here: a model that was read
from GGUF refuses to be saved, and some rules by which text is split before merging are not in its table
(checked against llama.cpp: tests/models).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer

from cocktail.data.prompts import Tokenizer
from cocktail.errors import SourceError, first_line

UNREADABLE = (ValueError, IndexError, KeyError, OverflowError, OSError, RuntimeError, TypeError)
ARCHITECTURES = ("gemma3", "llama", "qwen2")  # those whose tokens and numbers were compared with llama.cpp

# GGUF's name of a splitting rule -> that rule, where transformers takes another one.
SPLITTING: dict[str, Callable[[], Any]] = {
    "smollm": lambda: pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    ),
}


@dataclass(frozen=True)
class GgufFacts:
    """What a GGUF file says of itself.

    Attributes:
        quantisation: how many tensors there are of each type.
        splitting: the name of the rule that splits text before merging.
    """

    architecture: str
    name: str
    licence: str
    quantisation: dict[str, int]
    splitting: str


def read_facts(file: Path) -> GgufFacts:
    """Read header and table of tensors.

    Raises:
        SourceError: no GGUF file, a truncated one, an unknown type of tensor or architecture.
    """
    from gguf import GGUFReader

    try:
        reader = GGUFReader(file)
        fields = {name: field.contents() for name, field in reader.fields.items() if _is_plain(name)}
        types = Counter(tensor.tensor_type.name for tensor in reader.tensors)
    except UNREADABLE as error:
        why = f"truncated, or with a quantisation that is not known ({first_line(error)})"
        raise SourceError(f"not readable as GGUF: {why}", where=str(file)) from None
    architecture = str(fields.get("general.architecture", ""))
    if architecture not in ARCHITECTURES:
        raise SourceError(
            f"unknown architecture {architecture!r}; known: {', '.join(ARCHITECTURES)}", where=str(file)
        )
    return GgufFacts(
        architecture=architecture,
        name=str(fields.get("general.name", "")),
        licence=str(fields.get("general.license", "")),
        quantisation=dict(sorted(types.items())),
        splitting=str(fields.get("tokenizer.ggml.pre", "")),
    )


def read_tokenizer(file: Path, facts: GgufFacts) -> Tokenizer:
    """Return the file's tokenizer, split as the file says.

    Raises:
        SourceError: the file holds none that can be read.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, trust_remote_code=False)
    except Exception as error:  # tokenizers raises nothing more precise
        raise SourceError(f"its tokenizer cannot be read ({first_line(error)})", where=str(file)) from None
    if facts.splitting in SPLITTING:
        tokenizer.backend_tokenizer.pre_tokenizer = SPLITTING[facts.splitting]()
    return tokenizer


def write_weights(file: Path, out: Path, facts: GgufFacts) -> dict[str, Any]:
    """Write model.safetensors (float32) and config.json into ``out``; return parameters and model class.

    Raises:
        SourceError: the weights cannot be read, or are not those of the architecture: transformers would put
            random ones in the place of a missing tensor, and pass over one it does not know.
    """
    try:
        read, loaded = AutoModelForCausalLM.from_pretrained(
            file.parent,
            gguf_file=file.name,
            dtype=torch.float32,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except UNREADABLE as error:
        raise SourceError(f"its weights cannot be read ({first_line(error)})", where=str(file)) from None
    held, used = sum(facts.quantisation.values()), sum(1 for _ in read.parameters())
    if loaded["missing_keys"] or held != used:
        missing = f"; missing: {', '.join(sorted(loaded['missing_keys']))}" if loaded["missing_keys"] else ""
        raise SourceError(
            f"its {held} tensors are not the {used} of the architecture{missing}", where=str(file)
        )
    config = read.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    with torch.device("meta"):  # shapes only: the tensors are handed over, not copied
        model = type(read)(config)
    model.load_state_dict(read.state_dict(), assign=True)
    model.tie_weights()
    model.save_pretrained(out)
    return {"parameters": int(model.num_parameters()), "architectures": [type(model).__name__]}


def _is_plain(name: str) -> bool:
    return name.startswith("general.") or name == "tokenizer.ggml.pre"
