"""A small configuration for tests of the data stages, independent of conf/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cocktail.config import Params, check_params

# The paper's, in its order.
FINANCE_TASKS = ("headline", "fpb", "fin_ner_cls", "finqa", "convfinqa", "twitter_topics", "twitter_sa")
TRAIN_ONLY = ("orca_math", "open_orca", "filler")
TEST_ONLY = ("financebench", "knowledge", "gsm8k")
TASKS = (*FINANCE_TASKS, "orca_math", "open_orca")
EVALUATIONS = (*FINANCE_TASKS, *TEST_ONLY)


def make_source(*files: tuple[str, str], **fields: Any) -> dict[str, Any]:
    """A source with (path, split) files; other fields can be set."""
    listed = [{"path": path, "split": split} for path, split in files]
    return {"repo": "org/name", "licence": "MIT", "status": "original", "files": listed} | fields


def all_sources() -> dict[str, Any]:
    """One JSON Lines file per split and source; tests write what they need of them."""
    splits = dict.fromkeys(TRAIN_ONLY, ("train",)) | dict.fromkeys(TEST_ONLY, ("test",))
    names = dict.fromkeys((*TASKS, *EVALUATIONS, "filler"))
    return {
        name: make_source(*((f"{split}.jsonl", split) for split in splits.get(name, ("train", "test"))))
        for name in names
    }


def make_params(**sections: dict[str, Any]) -> Params:
    """The paper's numbers on a miniature; ``make_params(mix={"caps": {...}})`` replaces keys of a section."""
    raw: dict[str, dict[str, Any]] = {
        "study": {
            "name": "test",
            "seed": 42,
            "tasks": list(TASKS),
            "evaluations": list(EVALUATIONS),
            "include": ["single", "pair", "without", "all"],
            "targets": list(FINANCE_TASKS),
            "confirm_seeds": [101, 102, 103],
            "tries": 0,
        },
        "fetch": {"backend": "mirror", "sources": all_sources()},
        "prepare": {
            "seed": 42,
            "leakage": "drop",
            "dev_rows": 20,
            "dev_share": 0.2,
            "max_quarantine_share": 0.1,
            "filler_from": "filler",
        },
        "mix": {"seed": 42, "caps": {}, "instruction_share": 1.0, "math_share": 0.5},
        "models": {},
        "train": {
            "method": "full",
            "learning_rate": 1.0e-3,
            "batch_size": 8,
            "gradient_accumulation_steps": 1,
            "epochs": {"single": 3.0, "pair": 3.0, "without": 2.0, "all": 2.0},
            "warmup_steps": {"single": 0, "pair": 0, "without": 10, "all": 10},
            "scheduler": "cosine",
            "max_grad_norm": 1.0,
            "weight_decay": 0.0,
            "max_length": 256,
            "truncation": "cut",
            "packing": False,
            "precision": "fp32",
            "checkpointing": "never",
            "attention": "auto",
            "compile": False,
            "liger": False,
            "lora": {"rank": 4, "alpha": 8, "dropout": 0.0, "learning_rate": 1.0e-3},
            "prompt_tuning": {"virtual_tokens": 4, "learning_rate": 1.0e-2},
        },
        "tune": {"learning_rate_factors": [1.0], "epochs": [3.0], "seeds": [42]},
        "answer": {"batch_size": 8, "max_prompt": 256, "engine": "builtin"},
        "execute": {
            "workers": 1,
            "keep_weights": "none",
            "gpus_per_run": 1,
            "checkpoint_minutes": 10.0,
        },
        "endpoint": {
            "max_tokens": 64,
            "concurrency": 2,
            "tries": 3,
            "timeout_seconds": 1.0,
            "backoff_seconds": 0.0,
        },
        "judge": {"backend": "rules", "max_tokens": 16},
        "score": {"relative_tolerance": 1.0e-2, "absolute_tolerance": 1.0e-6},
        "compare": {"confidence": 0.95},
    }
    for name, keys in sections.items():
        raw[name] |= keys
    return check_params(raw, where="tests/data_params.py")


def write_lines(path: Path, *lines: str) -> Path:
    """Write a text file, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path
