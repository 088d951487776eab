"""What a worker process is told of one run, and what answers dev on the run's way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal

from cocktail.config import AnswerConfig, EvaluateConfig
from cocktail.data.evaluation_set import Shots
from cocktail.data.grid import Asked, Run
from cocktail.data.mixture import Mixture
from cocktail.data.prompts import Tokenizer
from cocktail.files.records import digest_value, read_json
from cocktail.files.store import Store
from cocktail.training.recipe import Recipe

if TYPE_CHECKING:
    from cocktail.inference.answer import RenderedSet
    from cocktail.training.evaluation import DevWatch


@dataclass(frozen=True)
class RunJob:
    """Everything a worker needs for one run; small, so that it travels between processes.

    Attributes:
        mixture: the rows to train on; None for the untouched base.
        recipe: None for the base.
        bf16: whether answers are computed in bfloat16.
        checkpoint_seconds: time from one checkpoint to the next.
        training_key: where the store keeps what came of the training; the base's identity for the base.
        answers: each evaluation set that is asked, and where the store keeps its answers.
        evaluate, dev: whether dev is answered during the training, and which sets.
        only_on: the CPU or GPU on which finished work must have been made to count; "": any.
        identity: what the receipt says the keys were made of.
    """

    run: Run
    model: str
    stop_token: str
    mixture: Mixture | None
    recipe: Recipe | None
    bf16: bool
    truncation: Literal["fail", "drop", "cut"]
    base: Path
    prepared: Path
    shots: Shots
    answer: AnswerConfig
    keep_weights: bool
    checkpoint_seconds: float
    store: Store
    training_key: str
    answers: tuple[tuple[Asked, str], ...]
    evaluate: EvaluateConfig | None
    dev: tuple[Asked, ...]
    only_on: str
    identity: dict[str, str]

    @property
    def lock_key(self) -> str:
        """What only one process does at a time: a training, or the answers of a base, which nobody trains."""
        return self.training_key if self.recipe else digest_value([key for _, key in self.answers])

    def accepts(self, made_on: str) -> bool:
        """Tell whether what was made on a device counts as finished."""
        return self.only_on in ("", made_on)

    def stored_training(self) -> dict[str, Any] | None:
        """Return what the store says of the training, if it counts."""
        entry = self.store.have("runs", self.training_key)
        facts: dict[str, Any] = read_json(entry / "training.json") if entry else {}
        return facts if facts and self.accepts(facts["made_on"]["device"]) else None

    def stored_answers(self, key: str) -> Path | None:
        """Return the folder of stored answers, if they count."""
        entry = self.store.have("answers", key)
        return entry if entry and self.accepts(read_json(entry / "receipt.json")["made_on"]) else None


def dev_watch(
    job: RunJob, tokenizer: Tokenizer, recipe: Recipe, *, sets: Sequence[RenderedSet], folder: Path
) -> DevWatch | None:
    """Return what answers dev during a training, or None where nothing is asked.

    Its score is the mean over ``sets`` of the share of answers that are the reference answer.

    Args:
        folder: of the training's checkpoints.
    """
    from cocktail.inference.answer import exact_match
    from cocktail.inference.generate import TorchEngine
    from cocktail.training.bases.tokens import end_ids
    from cocktail.training.evaluation import DevWatch, answering

    if job.evaluate is None:
        return None
    ends, batch = end_ids(job.base, tokenizer, job.stop_token), job.answer.batch_size

    def score(model: Any) -> float:
        with answering(model, recipe) as ready:
            engine = TorchEngine(ready.model, ends=ends, batch_size=batch, soft_prompt=ready.soft_prompt)
            return fmean(exact_match(engine, tokenizer, one) for one in sets)

    return DevWatch(job.evaluate, score, folder)
