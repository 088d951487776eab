"""A golden training and a golden rendered: they change only with the number of their rules.

A key says what a run is by these numbers, not by the code: where behaviour changes and the number does not,
finished runs would be taken for runs of the new code. On the recorded CPU type digests are exact, elsewhere
numbers lie within a tolerance.

After a line was added to the rules, ``python tests/golden/test_rules.py`` writes the numbers anew.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pytest
import torch

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "src")]

from tiny_model import ITEMS, MODEL, STOP, recipe, tiny_model, tiny_rows, tiny_tokenizer  # noqa: E402

from cocktail.data.evaluation_set import EvaluationSet, TaskSettings  # noqa: E402
from cocktail.files.records import digest_value, write_json  # noqa: E402
from cocktail.inference.answer import answer_set, render_set  # noqa: E402
from cocktail.inference.generate import TorchEngine  # noqa: E402
from cocktail.training.checkpoints import Checkpoints  # noqa: E402
from cocktail.training.environment import cpu_name  # noqa: E402
from cocktail.training.keys import (  # noqa: E402
    ANSWERING_RULES,
    BASE_RULES,
    TRAINING_RULES,
    answers_key,
    base_identity,
    training_key,
)
from cocktail.training.recipe import LoraShape  # noqa: E402
from cocktail.training.sft import fine_tune  # noqa: E402

GOLDEN = HERE.parent / "reference/golden_rules.json"
RECIPES = {
    "full": recipe(epochs=3.0, warmup_steps=2, tree_tokens=64),
    "lora": recipe(
        method="lora", lora=LoraShape(2, 4, 0.0), batch_size=1, gradient_accumulation_steps=4, epochs=2.0
    ),
    "packed": recipe(packing=True, group_by_length=False, max_length=256, epochs=4.0),
    "prompt tuning, bf16": recipe(method="prompt_tuning", virtual_tokens=3, precision="bf16"),
}
NEAR = 2e-3  # of losses and weights, on another type of CPU
MODELS = ("full",)


def train(name: str, folder: Path) -> tuple[Any, dict[str, Any]]:
    """Train a tiny model and return it with what is golden of it."""
    torch.set_num_threads(1)
    tokenizer = tiny_tokenizer()
    model, training = fine_tune(
        tiny_model(tokenizer),
        tokenizer,
        tiny_rows(tokenizer),
        recipe=RECIPES[name],
        stop_token=STOP,
        checkpoints=Checkpoints(folder / name, math.inf),
    )
    trained = [p.detach().float() for p in model.parameters() if p.requires_grad]
    weights = torch.cat([value.flatten() for value in trained])
    return model, {
        "losses": [loss for _, loss in training.loss],
        "steps": training.steps,
        "weights": [float(weights.mean()), float(weights.std()), *weights[:: len(weights) // 20].tolist()],
        "digest": digest_value([value.hex() for value in weights.double().tolist()]),
    }


def evaluation_set() -> EvaluationSet:
    """Questions of two kinds; one prompt is too long."""
    rows = [
        ("tone", "dev", "What is the tone?", "Orders fell."),
        ("tone", "test", "What is the tone?", " ".join(["Shares rose."] * 30)),
        ("tone", "test", "What is the tone?", "The mill sold cloth."),
        ("sum", "test", "Add 4 and 5.", ""),
    ]
    table = pd.DataFrame(rows, columns=["task", "split", "instruction", "input"])
    ids = [
        f"{task}:{split}:{n}"
        for n, (task, split) in enumerate(zip(table["task"], table["split"], strict=True))
    ]
    labels = {"Positive": "positive", "Negative": "negative", "Not sure": "not sure"}
    tasks = {"tone": TaskSettings(5, labels), "sum": TaskSettings(8, {})}
    return EvaluationSet(table.assign(item=ids, cluster=ids, answer="positive"), tasks)


def answered(model: Any) -> list[list[Any]]:
    """What a model answers."""
    tokenizer = tiny_tokenizer()
    rendered = render_set(tokenizer, evaluation_set(), max_prompt=40, stop_token=STOP)
    stop = tokenizer.convert_tokens_to_ids(STOP)
    table = answer_set(TorchEngine(model.eval(), (stop,), 3), tokenizer, rendered)
    return [
        list(row)
        for row in table[["item", "answer", "stopped", "cut", "label_choice"]].itertuples(index=False)
    ]


def keys() -> dict[str, str]:
    """Keys of made-up work, which no refactoring may change; library versions left out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cocktail.training.keys.versions", lambda names: dict.fromkeys(names, "1"))
        given = {"base": "b", "rows": "r", "stop_token": STOP, "truncation": "cut"}
        found = {f"training, {name}": training_key(one, **given) for name, one in RECIPES.items()}
        found["answers"] = answers_key(
            "m", asked=evaluation_set(), stop_token=STOP, bf16=False, max_prompt=40, vllm=False
        )
        found["base from scratch"] = base_identity(MODEL, source="")
        found["base"] = base_identity(MODEL, source="s")
    return found


def golden() -> dict[str, Any]:
    """Everything, as the code makes it now."""
    with TemporaryDirectory() as folder:
        trained = {name: train(name, Path(folder)) for name in RECIPES}
    return {
        "rules": {
            "training": max(TRAINING_RULES),
            "answering": max(ANSWERING_RULES),
            "base": max(BASE_RULES),
        },
        "cpu": cpu_name(),
        "trainings": {name: facts for name, (_, facts) in trained.items()},
        "answers": {name: answered(trained[name][0]) for name in MODELS},
        "keys": keys(),
    }


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return found


def test_the_golden_numbers_are_of_the_rules_of_today(recorded: dict[str, Any]) -> None:
    assert recorded["rules"] == {
        "training": max(TRAINING_RULES),
        "answering": max(ANSWERING_RULES),
        "base": max(BASE_RULES),
    }, "the rules have a new number: python tests/golden/test_rules.py"
    for rules in (TRAINING_RULES, ANSWERING_RULES, BASE_RULES):
        assert list(rules) == list(range(1, len(rules) + 1))


@pytest.mark.parametrize("name", RECIPES)
def test_a_training_changes_only_with_its_number(name: str, recorded: dict[str, Any], tmp_path: Path) -> None:
    _, found = train(name, tmp_path)
    wanted = recorded["trainings"][name]
    said = "training behaves otherwise: add a line to TRAINING_RULES, then python tests/golden/test_rules.py"
    if cpu_name() == recorded["cpu"]:
        assert found == wanted, said
    assert found["steps"] == wanted["steps"], said
    for kind in ("losses", "weights"):
        assert found[kind] == pytest.approx(wanted[kind], abs=NEAR, rel=NEAR), said


@pytest.mark.parametrize("name", MODELS)
def test_answers_change_only_with_their_number(name: str, recorded: dict[str, Any], tmp_path: Path) -> None:
    model, _ = train(name, tmp_path)
    found, wanted = answered(model), recorded["answers"][name]
    said = (
        "answers are given otherwise: add a line to ANSWERING_RULES, then python tests/golden/test_rules.py"
    )
    if cpu_name() == recorded["cpu"]:
        assert found == wanted, said
    kept = [0, 3]  # what rounding does not touch: which items, and whether a prompt was cut
    assert [[row[n] for n in kept] for row in found] == [[row[n] for n in kept] for row in wanted], said


def test_keys_outlive_a_refactoring(recorded: dict[str, Any]) -> None:
    assert keys() == recorded["keys"]


def test_facts_of_a_machine_are_in_no_key() -> None:
    given = {"base": "b", "rows": "r", "stop_token": STOP, "truncation": "cut"}
    one = RECIPES["full"]
    key = training_key(one, **given)
    same: list[dict[str, Any]] = [
        {"attention": "flex_attention"},
        {"devices": 4},
        {"tree_tokens": None},
        {"checkpointing": "always"},
        {"batch_size": 1, "gradient_accumulation_steps": 2},
    ]
    for changes in same:
        assert training_key(replace(one, **changes), **given) == key, changes
    for changes in (
        {"seed": 7},
        {"precision": "bf16"},
        {"max_grad_norm": 0.5},
        {"batch_size": 4},
        {"max_steps": 3},
    ):
        assert training_key(replace(one, **changes), **given) != key, changes


def test_the_items_are_those_of_the_tiny_model() -> None:
    assert len(ITEMS) == 5  # fewer would leave a golden training without a batch to cut


if __name__ == "__main__":
    write_json(GOLDEN, golden())
