"""A temporary folder with a study's params, data and mixtures, and a base model.

The stages of the work tree run in it; nothing of the work tree is read but code and ``conf/``. The base has
the study's own shape and is pretrained for seconds (its answers must not all be empty), or Phi-3-mini's with
random weights: how good it is does not change what it costs. As a script it writes the latter.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import ROOT, Measured, child_environment, measure, say, script, stage

from cocktail.config import ModelConfig, Params, load_params
from cocktail.config.compose import compose, write_params
from cocktail.config.yaml_files import with_catalogue
from cocktail.data.grid import Run
from cocktail.files.store import store_root
from cocktail.training.environment import cpu_flags, visible_gpus

PHI3_MINI = {"hidden": 3072, "layers": 32, "heads": 32, "feed_forward": 8192, "context": 4096}
PHI3_MINI_VOCABULARY = 32064
SHORT = {"text_tokens": 60_000, "instruction_rows": 200}  # pretraining that takes seconds


@dataclass(frozen=True)
class Workbench:
    """The folder, and the params in it."""

    folder: Path
    params: Params

    @property
    def model(self) -> str:
        """The study's first model."""
        return next(iter(self.params.models))

    @property
    def prepared(self) -> Path:
        return self.folder / "data/prepared"

    @property
    def mixtures(self) -> Path:
        return self.folder / "artifacts/mixtures"

    @property
    def base(self) -> Path:
        return self.folder / "artifacts/base" / self.model

    def run(self, command: Sequence[str | Path], *, store: str = ".store", **settings: str) -> Measured:
        """Run a command in the folder, with a run store of its own there."""
        return measure(command, cwd=self.folder, env=child_environment(store=self.folder / store, **settings))


def empty_workbench(folder: Path, study: str, overrides: Sequence[str] = ()) -> Workbench:
    """Return a workbench with params only."""
    folder.mkdir(parents=True, exist_ok=True)
    models = compose(ROOT / "conf", study, overrides)["models"]
    short = [
        f"models.{name}.pretrain.{key}={value}"
        for name in _from_scratch(models)
        for key, value in SHORT.items()
    ]
    composed = with_catalogue(compose(ROOT / "conf", study, [*short, *overrides]), ROOT)
    write_params(folder / "params.yaml", composed)  # with its sources: there is no conf in the folder
    return Workbench(folder, load_params(folder / "params.yaml"))


def _from_scratch(models: Mapping[str, Any]) -> list[str]:
    return [name for name, model in models.items() if model.get("pretrain")]


def make_workbench(
    folder: Path,
    study: str,
    overrides: Sequence[str] = (),
    *,
    large: bool = False,
    base_of: Workbench | None = None,
) -> Workbench:
    """Return a workbench with data, mixtures and a base.

    Args:
        large: the base has the shape of Phi-3-mini.
        base_of: has made the base already.
    """
    bench = empty_workbench(folder, study, overrides)
    say(f"data and base of study {study}")
    bench.run(stage("fetch", "--out", "data/raw"))
    bench.run(stage("prepare", "--raw", "data/raw", "--out", "data/prepared"))
    bench.run(stage("mix", "--prepared", "data/prepared", "--out", "artifacts/mixtures"))
    if base_of:
        bench.base.parent.mkdir(parents=True)
        bench.base.symlink_to(base_of.base, target_is_directory=True)
        return bench
    _take_weights(bench)
    making = (
        script("workbench.py", bench.model, bench.base)
        if large
        else stage("base", "--model", bench.model, "--bases", ROOT / "data/bases", "--out", bench.base)
    )
    bench.run(making)
    return bench


def _take_weights(bench: Workbench) -> None:
    """Let the workbench see the weights of others in the user's own store: none is fetched twice."""
    kept = store_root() / "weights"
    if kept.is_dir():
        (bench.folder / ".store").mkdir()
        (bench.folder / ".store/weights").symlink_to(kept, target_is_directory=True)


def fast_bf16() -> bool:
    """Whether this machine computes in bfloat16 faster than in float32."""
    from cocktail.training.bf16 import INSTRUCTIONS  # it imports torch

    return bool(visible_gpus()) or any(name in cpu_flags() for name in INSTRUCTIONS)


def bf16(params: Params) -> bool:
    """Whether others than ours are to compute in bfloat16."""
    return params.train.precision == "bf16" and fast_bf16()


def plain_command(bench: Workbench, run: Run, *, rows: Path, out: Path, method: str) -> list[str | Path]:
    """Return the command that trains a run by TRL's defaults, but for what a comparison fixes.

    In bfloat16 where ours is and the machine is fast at it; ours is no slower in it elsewhere, TRL is.
    """
    train, lora = bench.params.train, bench.params.train.lora
    return script(
        "plain.py",
        *("train", "--rows", rows, "--base", bench.base, "--out", out, "--epochs", str(run.epochs)),
        *("--batch-size", str(train.batch_size), "--learning-rate", str(run.learning_rate)),
        *("--max-length", str(train.max_length)),
        *(["--bf16"] if bf16(bench.params) else []),
        *(["--lora", str(lora.rank), str(lora.alpha)] if method == "lora" else []),
    )


def write_large_base(config: ModelConfig, out: Path) -> None:
    """Write a base of Phi-3-mini's shape with random weights in bfloat16, and the tokenizer of ``config``."""
    import torch

    from cocktail.sources.synthetic import pretraining_text
    from cocktail.training.base import new_model, save_base
    from cocktail.training.tokenizer import train_tokenizer

    tokenizer = train_tokenizer(
        pretraining_text(seed=7, num_tokens_hint=SHORT["text_tokens"]),
        vocabulary=int(config.vocabulary or 0),
        stop_token=config.stop_token,
        context=PHI3_MINI["context"],
    )
    torch.manual_seed(7)
    torch.set_default_dtype(torch.bfloat16)  # 7.6 GB on disk, as Phi-3-mini has
    model = new_model(config.model_copy(update=PHI3_MINI), tokenizer)
    model.resize_token_embeddings(PHI3_MINI_VOCABULARY)
    save_base(model, tokenizer, out=out, receipt={"kind": "random"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    write_large_base(load_params(Path("params.yaml")).model(arguments.model), arguments.out)


if __name__ == "__main__":
    main()
