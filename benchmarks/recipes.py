"""What the training benchmark varies: the study's recipe; on a GPU the paper's, and other kinds of speed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

ON_GPU = [
    *(f"fetch.world.{task}_train=8000" for task in ("fpb", "twitter_sa")),
    *(f"mix.caps.{task}=8000" for task in ("fpb", "twitter_sa")),
    *("train.epochs.pair=1.0", "train.learning_rate=3e-6", "train.precision=bf16", "train.packing=true"),
    "train.max_length=4096",
]


@dataclass(frozen=True)
class Variant:
    """One way of ours to train; ``changes`` of the section train."""

    name: str
    method: str
    changes: Mapping[str, Any] = field(default_factory=dict)


def variants(*, on_gpu: bool) -> list[Variant]:
    """Return the study's own recipe for both methods, and what else this machine can show."""
    own = [Variant("full", "full"), Variant("lora", "lora")]
    if not on_gpu:
        return own
    kinds = ["sdpa", "flex_attention", *(["flash_attention_2"] if find_spec("flash_attn") else [])]
    others: dict[str, dict[str, Any]] = {
        "not packed": {"packing": False},
        **{f"attention {kind}": {"attention": kind} for kind in kinds},
        "compiled": {"compile": True},
        **({"Liger": {"liger": True}} if find_spec("liger_kernel") else {}),
    }
    return own + [
        Variant(f"{method}, {name}", method, changes)
        for method in ("full", "lora")
        for name, changes in others.items()
    ]
