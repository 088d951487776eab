"""The way of the paper's scripts: one new process mixes a run's rows, one new process trains on them.

``plain.py mix`` writes a JSONL of instruction, input and output, as LLaMA-Factory reads it, with the rows
of our own mixture, so that both sides train on the same. ``plain.py train`` is TRL's SFTTrainer with its
defaults, but for what the comparison fixes: rows, epochs, batch size, learning rate, longest row.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any


def mix(arguments: argparse.Namespace) -> dict[str, Any]:
    """Read the prepared rows of the sources, take the mixture's in its order, write them."""
    import pandas as pd

    mixture = json.loads(arguments.mixture.read_text(encoding="utf-8"))
    parts = [pd.read_parquet(arguments.prepared / name / "train.parquet") for name in mixture["sources"]]
    rows = pd.concat(parts).set_index("item").loc[mixture["rows"]]
    table = rows[["instruction", "input", "answer"]].rename(columns={"answer": "output"})
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    table.to_json(arguments.out, orient="records", lines=True, force_ascii=False)
    return {"rows": len(table)}


def train(arguments: argparse.Namespace) -> dict[str, Any]:
    """Train with TRL's defaults; says real tokens, seconds of ``train()`` alone, and GPU memory."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    lines = arguments.rows.read_text(encoding="utf-8").splitlines()
    data = Dataset.from_list([_turns(json.loads(line)) for line in lines])
    on_gpu = torch.cuda.is_available()
    # TRL's default, bfloat16, is for GPUs: on a CPU without instructions for it it is slower than float32.
    needed = {} if on_gpu else {"use_cpu": True, "bf16": arguments.bf16}
    trainer = SFTTrainer(
        model=str(arguments.base),
        args=SFTConfig(
            output_dir=str(arguments.out),
            num_train_epochs=arguments.epochs,
            per_device_train_batch_size=arguments.batch_size,
            learning_rate=arguments.learning_rate,
            max_length=arguments.max_length,
            report_to="none",
            **needed,
            **({} if arguments.save else {"save_strategy": "no"}),  # else train() ends with a checkpoint
        ),
        train_dataset=data,
        processing_class=AutoTokenizer.from_pretrained(arguments.base),
        peft_config=LoraConfig(
            r=arguments.lora[0],
            lora_alpha=arguments.lora[1],
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        )
        if arguments.lora
        else None,
    )
    tokens = sum(len(ids) for ids in trainer.train_dataset["input_ids"])
    started = time.monotonic()
    trainer.train()
    seconds = time.monotonic() - started
    if arguments.save:
        trainer.save_model(str(arguments.out))
    return {
        "rows": len(data),
        "tokens": tokens,
        "steps": trainer.state.global_step,
        "seconds": seconds,
        "tokens_per_second": tokens * arguments.epochs / seconds,
        "gpu_bytes": torch.cuda.max_memory_allocated() if on_gpu else 0,
        "threads": torch.get_num_threads(),
    }


def _turns(row: dict[str, str]) -> dict[str, Any]:
    """One row as TRL's conversational prompt and completion."""
    asked = "\n".join(part for part in (row["instruction"], row["input"]) if part)
    return {
        "prompt": [{"role": "user", "content": asked}],
        "completion": [{"role": "assistant", "content": row["output"]}],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    mixing = commands.add_parser("mix")
    mixing.set_defaults(work=mix)
    mixing.add_argument("--mixture", type=Path, required=True)
    mixing.add_argument("--prepared", type=Path, required=True)
    mixing.add_argument("--out", type=Path, required=True)
    training = commands.add_parser("train")
    training.set_defaults(work=train)
    training.add_argument("--rows", type=Path, required=True)
    training.add_argument("--base", type=Path, required=True)
    training.add_argument("--out", type=Path, required=True)
    training.add_argument("--epochs", type=float, required=True)
    training.add_argument("--batch-size", type=int, required=True)
    training.add_argument("--learning-rate", type=float, required=True)
    training.add_argument("--max-length", type=int, required=True)
    training.add_argument("--lora", type=int, nargs=2, metavar=("RANK", "ALPHA"))
    training.add_argument("--bf16", action="store_true", help="on a CPU; a GPU always computes so")
    training.add_argument("--save", action="store_true")
    arguments = parser.parse_args()
    print(json.dumps(arguments.work(arguments)))


if __name__ == "__main__":
    main()
