"""Dev is answered on the way without a trace in what is learned, and the best point's weights can be kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import test_resume
import test_runs
import torch
from test_runs import BASE, FPB, PAIR, base, prepared, store, trained  # noqa: F401
from tiny_model import ITEMS, STOP, recipe, tiny_model, tiny_rows

from cocktail.config import EvaluateConfig, check_params
from cocktail.data.prompts import render_prompts, token_id
from cocktail.errors import ConfigError
from cocktail.files.records import read_json
from cocktail.inference.engine import Question
from cocktail.inference.generate import TorchEngine
from cocktail.training import sft
from cocktail.training.checkpoints import Checkpoints
from cocktail.training.evaluation import DevWatch, answering
from cocktail.training.methods import Answering, ready_to_answer
from cocktail.training.recipe import Training

pytestmark = pytest.mark.slow

METHODS: dict[str, dict[str, Any]] = {
    **test_resume.RECIPES,
    "prompt_tuning": {**test_resume.PROMPT, "learning_rate": 1.0},  # as much as changes an answer
    "bf16": {"precision": "bf16"},
}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def answers(tokenizer: Any, ready: Answering) -> list[tuple[int, ...]]:
    prompts = render_prompts(tokenizer, ITEMS, max_length=128)
    engine = TorchEngine(ready.model, (token_id(tokenizer, STOP),), 4, ready.soft_prompt)
    return [answer.ids for answer in engine.generate([Question(prompt.ids, 6) for prompt in prompts])]


def train(
    tokenizer: Any,
    folder: Path,
    *,
    watch: DevWatch | None = None,
    seconds: float = math.inf,
    spread: float = 1.0,
    **changes: Any,
) -> tuple[Any, Training]:
    return sft.fine_tune(
        tiny_model(tokenizer, spread=spread),
        tokenizer,
        tiny_rows(tokenizer),
        recipe=recipe(**{"epochs": 12.0, **changes}),
        stop_token=STOP,
        checkpoints=Checkpoints(folder, seconds),
        watch=watch,
    )


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("name", METHODS)
def test_asking_leaves_the_training_as_it_was_and_sees_the_model_that_comes_of_it(
    tokenizer: Any, tmp_path: Path, name: str
) -> None:
    changes = {"epochs": 12.0, **METHODS[name]}
    spread = 4.0 if name == "prompt_tuning" else 1.0  # else a prompt changes no answer
    seen: list[list[tuple[int, ...]]] = []

    def score(model: Any) -> float:
        with answering(model, recipe(**changes)) as ready:
            seen.append(answers(tokenizer, ready))
        return 0.5

    watch = DevWatch(EvaluateConfig(points=3), score, tmp_path / "watched")
    watched, report = train(tokenizer, tmp_path / "watched", watch=watch, spread=spread, **changes)
    alone, plain = train(tokenizer, tmp_path / "alone", spread=spread, **changes)
    test_resume.assert_equal(weights(watched), weights(alone))
    assert report.loss == plain.loss
    assert [step for step, _ in report.dev] == [math.ceil(report.steps * part / 3) for part in (1, 2, 3)]
    assert report.kept_step == report.steps
    assert (plain.dev, plain.kept_step) == ([], None)
    assert seen[0] != seen[-1]
    if name != "bf16":  # there the finished model is rounded, and the one in training computes so
        assert seen[-1] == answers(tokenizer, ready_to_answer(alone, recipe(**changes)))


def scripted(scores: list[float], seen: list[Any]) -> Callable[[Any], float]:
    def score(model: Any) -> float:
        seen.append(
            {name: one.detach().clone() for name, one in model.named_parameters() if one.requires_grad}
        )
        return scores[len(seen) - 1]

    return score


@pytest.mark.parametrize("name", ["grouped", "lora", "prompt_tuning"])
@pytest.mark.parametrize(
    ("scores", "kept"),
    [([0.2, 0.6, 0.4], 1), ([0.5, 0.5, 0.1], 0), ([0.1, 0.2, 0.3], 2), ([0.0, 0.0, 0.0], 0)],
)
def test_the_best_point_is_kept_and_of_equal_ones_the_first(
    tokenizer: Any, tmp_path: Path, name: str, scores: list[float], kept: int
) -> None:
    seen: list[dict[str, torch.Tensor]] = []
    watch = DevWatch(EvaluateConfig(points=3, keep="best"), scripted(scores, seen), tmp_path)
    model, report = train(tokenizer, tmp_path, watch=watch, **METHODS[name])
    assert report.kept_step == report.dev[kept][0]
    found = {one: value for one, value in model.named_parameters() if value.requires_grad}
    test_resume.assert_equal(found, seen[kept])


def test_with_keep_last_the_best_point_is_only_told(tokenizer: Any, tmp_path: Path) -> None:
    seen: list[dict[str, torch.Tensor]] = []
    watch = DevWatch(EvaluateConfig(points=2), scripted([0.9, 0.1], seen), tmp_path)
    model, report = train(tokenizer, tmp_path, watch=watch)
    assert report.kept_step == report.dev[1][0]
    test_resume.assert_equal(dict(model.named_parameters()), seen[1])
    assert not list(tmp_path.glob("*.safetensors"))


def test_a_killed_training_goes_on_with_its_scores_and_its_best_weights(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at step 25: the checkpoint is of step 20, and what was scored at step 24 is scored anew."""

    def go(folder: Path, seconds: float, kill_at: int) -> tuple[Any, Training, int]:
        seen: list[int] = []

        def score(model: Any) -> float:
            seen.append(1)
            return float(
                -model.get_input_embeddings().weight.detach().abs().mean()
            )  # falls: the first point is best

        watch = DevWatch(EvaluateConfig(points=6, keep="best"), score, folder)
        made = sft.make_trainer

        def with_kill(*arguments: Any, **keywords: Any) -> Any:
            trainer = made(*arguments, **keywords)
            trainer.add_callback(test_resume.KillAt(kill_at, test_resume.kill))
            return trainer

        with monkeypatch.context() as patch:
            patch.setattr(sft, "make_trainer", with_kill)
            return *train(tokenizer, folder, watch=watch, seconds=seconds), len(seen)

    whole, report, asked = go(tmp_path / "whole", math.inf, 0)
    assert (report.steps, asked, report.kept_step) == (36, 6, 6)
    with pytest.raises(test_resume.KilledError):
        go(tmp_path / "killed", 0.0, 25)
    again, resumed, asked = go(tmp_path / "killed", 0.0, 0)
    assert asked == 3  # after steps 24, 30, 36
    test_resume.assert_equal(weights(again), weights(whole))
    assert resumed == report


def test_a_run_is_asked_its_own_dev_and_its_receipt_says_how_it_went(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    given = {name: request.getfixturevalue(name) for name in ("prepared", "base")}
    request.getfixturevalue("store")
    done: list[str] = request.getfixturevalue("trained")
    single = test_runs.replace(FPB, epochs=4.0)
    general = test_runs.replace(PAIR, id="elsewhere", sources=("twitter_sa",), asked=test_runs.ASKED[:1])
    runs = [BASE, single, PAIR, general]
    plain = test_runs.go(runs, out=tmp_path / "plain", **given)
    params = test_runs.study()
    train = params.train.model_copy(update={"evaluate": EvaluateConfig(points=2, keep="best")})
    params = params.model_copy(update={"train": train})
    done.clear()
    found = test_runs.go(runs, out=tmp_path / "out", params=params, **given)
    assert done == ["single_fpb", "pair_fpb_twitter_sa"]  # the others have no dev of their own
    receipt = read_json(tmp_path / "out/single_fpb.json")
    assert [step for step, _ in receipt["dev"]] == [2, 4] and receipt["steps"] == 4
    assert receipt["kept_step"] in (2, 4)
    assert all(share in (0.0, 0.5, 1.0) for _, share in receipt["dev"])  # of two dev rows
    assert "dev" not in read_json(tmp_path / "plain/single_fpb.json")
    for name in ("base", "elsewhere"):
        assert found[f"{name}.json"] == plain[f"{name}.json"]


def test_several_gpus_for_one_run_are_refused() -> None:
    raw = test_runs.study().model_dump()
    raw["train"]["evaluate"], raw["execute"]["gpus_per_run"] = {"points": 2}, 2
    raw["models"] = {}
    with pytest.raises(ConfigError, match=r"train.evaluate answers dev on one GPU"):
        check_params(raw, where="test")
