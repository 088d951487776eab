"""A temporary folder with a study's params, data and mixtures, and a base model.

The stages of the work tree run in it; nothing of the work tree is read but code and ``conf/``. The base has
the study's own shape and is pretrained for seconds (its answers must not all be empty), or Phi-3-mini's with
random weights: how good it is does not change what it costs. As a script it writes the latter.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common import ROOT, Measured, child_environment, measure, say, script, stage

from cocktail.compose import compose, write_params
from cocktail.config import ModelConfig, Params, load_params

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
    model = next(iter(compose(ROOT / "conf", study)["models"]))
    short = [f"models.{model}.pretrain.{key}={value}" for key, value in SHORT.items()]
    write_params(folder / "params.yaml", compose(ROOT / "conf", study, [*short, *overrides]))
    return Workbench(folder, load_params(folder / "params.yaml"))


def make_workbench(
    folder: Path, study: str, overrides: Sequence[str] = (), *, large: bool = False
) -> Workbench:
    """Return a workbench with data, mixtures and a base; ``large``: the base has the shape of Phi-3-mini."""
    bench = empty_workbench(folder, study, overrides)
    say(f"data and base of study {study}")
    bench.run(stage("fetch", "--out", "data/raw"))
    bench.run(stage("prepare", "--raw", "data/raw", "--out", "data/prepared"))
    bench.run(stage("mix", "--prepared", "data/prepared", "--out", "artifacts/mixtures"))
    making = (
        script("workbench.py", bench.model, bench.base)
        if large
        else stage("base", "--model", bench.model, "--out", bench.base)
    )
    bench.run(making)
    return bench


def write_large_base(config: ModelConfig, out: Path) -> None:
    """Write a base of Phi-3-mini's shape with random weights in bfloat16, and the tokenizer of ``config``."""
    import torch

    from cocktail.sources.embedded import pretraining_text
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
