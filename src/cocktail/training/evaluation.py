"""Dev answered during a training, at as many points in every run; the best point's weights kept if asked.

What is asked, and how answers are scored, is the caller's: here is when, and what is done with a score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import Any, TypeAlias

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from cocktail.config import EvaluateConfig
from cocktail.files.records import read_json, write_json
from cocktail.training.methods import Answering
from cocktail.training.recipe import Recipe

Model: TypeAlias = PreTrainedModel | PeftModel
SCORES = "dev.json"


class DevWatch(TrainerCallback):  # type: ignore[misc]  # transformers is untyped for mypy here
    """Scores the model on dev after the i-th of ``points`` equal parts of its steps, the last one included.

    A training that goes on from a checkpoint has the scores, and the best weights, up to that step.

    Args:
        score: of the model as it is, from 0 to 1; it must leave it as it was.
        folder: of the training's checkpoints.

    Attributes:
        scores: optimiser step, score.
    """

    def __init__(self, settings: EvaluateConfig, score: Callable[[Model], float], folder: Path) -> None:
        self._settings, self._score, self._folder = settings, score, folder
        self.scores: list[tuple[int, float]] = []

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        path = self._folder / SCORES
        known = read_json(path) if state.global_step and path.is_file() else []
        self.scores = [(int(step), float(score)) for step, score in known if step <= state.global_step]

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        step, points = state.global_step, self._settings.points
        if step not in {ceil(state.max_steps * part / points) for part in range(1, points + 1)}:
            return
        self.scores.append((step, round(self._score(kwargs["model"]), 6)))
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._settings.keep == "best" and self.best == step:
            save_file(_trained(kwargs["model"]), self._weights(step))
        write_json(self._folder / SCORES, self.scores)

    @property
    def best(self) -> int:
        """The step with the highest score, the first of equal ones."""
        return max(self.scores, key=lambda one: (one[1], -one[0]))[0]

    def settle(self, model: Model) -> int:
        """Put the best weights back, if they are to be kept; return the step whose weights the model has."""
        last = self.scores[-1][0]
        if self._settings.keep == "last" or self.best == last:
            return last
        saved = load_file(self._weights(self.best))
        with torch.no_grad():
            for name, parameter in _parameters(model):
                parameter.copy_(saved[name])
        return self.best

    def _weights(self, step: int) -> Path:
        return self._folder / f"best-{step}.safetensors"


def _parameters(model: Model) -> Iterator[tuple[str, torch.nn.Parameter]]:
    return ((name, one) for name, one in model.named_parameters() if one.requires_grad)


def _trained(model: Model) -> dict[str, torch.Tensor]:
    return {name: one.detach().cpu().contiguous() for name, one in _parameters(model)}


@contextmanager
def answering(model: Model, recipe: Recipe) -> Iterator[Answering]:
    """Yield a model in training as one that answers, unmerged and uncopied; after that it trains on."""
    patched = model.__dict__.pop("forward", None)  # TRL's, which answers nothing
    attention, prompt = model.config._attn_implementation, None
    model.eval()
    model.set_attn_implementation("sdpa")  # it takes masks of our own, and others do not
    if recipe.method == "prompt_tuning":
        prompt = model.get_prompt(batch_size=1)[0].detach()
    asked = model.get_base_model() if recipe.method == "prompt_tuning" else model
    try:
        with torch.autocast(model.device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
            yield Answering(asked, prompt)
    finally:
        if patched is not None:
            model.__dict__["forward"] = patched
        model.set_attn_implementation(attention)
        model.train()
