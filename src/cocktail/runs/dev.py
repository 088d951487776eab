"""What is asked of a run on its way: its dev sets, and how the answers are scored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from cocktail.data.prompts import Tokenizer
from cocktail.runs.jobs import RunJob
from cocktail.training.bases.tokens import end_ids
from cocktail.training.recipe import Recipe

if TYPE_CHECKING:
    from cocktail.inference.answer import RenderedSet
    from cocktail.training.evaluation import DevWatch


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
    from cocktail.training.evaluation import DevWatch, answering

    if job.evaluate is None:
        return None
    ends, batch = end_ids(job.base, tokenizer, job.stop_token), job.answer.batch_size

    def score(model: Any) -> float:
        with answering(model, recipe) as ready:
            engine = TorchEngine(ready.model, ends=ends, batch_size=batch, soft_prompt=ready.soft_prompt)
            return fmean(exact_match(engine, tokenizer, one) for one in sets)

    return DevWatch(job.evaluate, score, folder)
