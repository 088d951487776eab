"""Prefix sharing: rows read as a tree learn what they learn alone, and whatever breaks that is seen."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PromptTuningConfig, get_peft_model
from tiny_model import ITEMS, STOP, recipe, tiny_model, tiny_rows
from transformers import AutoModelForCausalLM, Gemma3TextConfig, LlamaConfig, MistralConfig, Qwen2Config

from cocktail.training import prefix, proof
from cocktail.training.checkpoints import Checkpoints
from cocktail.training.methods import without_rename_warnings
from cocktail.training.pieces import StepCollator, token_losses
from cocktail.training.prefix import Tree, obstacles, plant, tree_inputs, tree_mask
from cocktail.training.proof import compare
from cocktail.training.recipe import LoraShape, Training
from cocktail.training.rows import IGNORED
from cocktail.training.sft import fine_tune, make_trainer

LORA = LoraShape(rank=2, alpha=4, dropout=0.0)
SHAPE = {
    "vocab_size": 60,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
}
MODELS = {
    "llama": LlamaConfig(**SHAPE),
    "a window": MistralConfig(**SHAPE, sliding_window=6),
    "two kinds of layers": Gemma3TextConfig(
        **SHAPE, sliding_window=6, layer_types=["sliding_attention", "sliding_attention", "full_attention"]
    ),
    "a window in some layers": Qwen2Config(
        **SHAPE, use_sliding_window=True, sliding_window=6, max_window_layers=1
    ),
}
TEMPLATE = [5, 6, 7, 8, 9, 10, 11, 12]


def feature(prompt: list[int], answer: list[int]) -> dict[str, list[int]]:
    return {"input_ids": [*prompt, *answer], "labels": [*[IGNORED] * len(prompt), *answer]}


ROWS = [
    feature([*TEMPLATE, 20, 21, 22, 4], [30, 3]),
    feature([*TEMPLATE, 20, 21, 23, 24, 4], [31, 32, 3]),
    feature([*TEMPLATE, 20, 21, 22, 4], [31, 3]),  # the prompt of the first
    feature([*TEMPLATE, 40, 41, 4], [30, 33, 34, 35, 3]),
    feature([50, 51, 4], [30, 3]),  # shares nothing
    feature([*TEMPLATE, 20, 21], [22, 4, 3]),  # its prompt is the beginning of others'
]


def model_of(name: str) -> Any:
    torch.manual_seed(1)
    torch.set_num_threads(1)
    return AutoModelForCausalLM.from_config(MODELS[name], attn_implementation="sdpa").double()


def collator(tokens: int = 1000, virtual: int = 0) -> StepCollator:
    def pad(features: Any) -> dict[str, torch.Tensor]:
        (row,) = features
        return {name: torch.tensor([values]) for name, values in row.items()}

    return StepCollator(pad, batch_rows=1, tree_tokens=tokens, virtual=virtual)


def ordered() -> list[dict[str, list[int]]]:
    return sorted(ROWS, key=prefix.row_parts)


def difference(model: Any, trees: list[Any], virtual: int = 0) -> proof.Difference:
    pieces = [
        {**tree_inputs(tree, virtual=virtual), "targets": torch.tensor([tree.targets])} for tree in trees
    ]
    return compare(model, pieces, collator().batches(ordered()))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("tokens", [1000, 25, 1])
def test_a_tree_has_loss_and_gradients_of_its_rows_alone(name: str, tokens: int) -> None:
    trees = plant(ROWS, max_tokens=tokens)
    found = difference(model_of(name), trees)
    assert found.loss < 1e-6
    assert found.gradient < 1e-6
    assert sum(len(tree.leaves) for tree in trees) == len(ROWS)


def test_a_tree_holds_what_is_shared_once() -> None:
    (tree,) = plant(ROWS, max_tokens=1000)
    real = sum(len(row["input_ids"]) for row in ROWS)
    # 8 template tokens for five rows, 20 and 21 for three and once more but for the last token of a prompt.
    assert len(tree.input_ids) == real - 4 * 8 - 3 - 2 - 1
    assert sum(target != IGNORED for target in tree.targets) == sum(
        label != IGNORED for row in ROWS for label in row["labels"]
    )


def test_trees_hang_on_the_rows_and_not_on_their_order() -> None:
    assert plant(ROWS, max_tokens=30) == plant(ROWS[::-1], max_tokens=30)
    assert all(len(tree.input_ids) <= 30 for tree in plant(ROWS, max_tokens=30))


def seen_by_all(tree: Tree) -> Tree:
    """A neighbour is seen."""
    return replace(tree, ends=[len(tree.input_ids)] * len(tree.ends))


def off_by_one(tree: Tree) -> Tree:
    branch = next(
        index for index, depth in enumerate(tree.depths) if index and depth < tree.depths[index - 1]
    )
    return replace(tree, depths=[d + (index >= branch) for index, d in enumerate(tree.depths)])


@pytest.mark.parametrize("harm", [seen_by_all, off_by_one])
def test_the_proof_sees_a_wrong_tree(harm: Any) -> None:
    assert not difference(model_of("llama"), [harm(tree) for tree in plant(ROWS, max_tokens=1000)]).proved


def test_the_proof_sees_a_window_that_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefix, "attention_kinds", lambda config: {prefix.FULL})
    for name in ("a window", "two kinds of layers", "a window in some layers"):
        assert not difference(model_of(name), plant(ROWS, max_tokens=1000)).proved


def test_the_proof_sees_a_tree_of_another_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss of a token is right, its part of the gradient is not."""
    honest = proof.token_losses
    monkeypatch.setattr(
        proof, "token_losses", lambda model, piece: honest(model, piece) * (2 if "ends" in piece else 1)
    )
    assert not difference(model_of("llama"), plant(ROWS, max_tokens=25)).proved


def test_the_proof_sees_a_shared_last_token() -> None:
    """Two answers to one prompt: where its last token is shared, one of them has no predictor."""
    twice = [feature([5, 6, 7], [8, 3]), feature([5, 6, 7], [9, 3])]
    (tree,) = plant(twice, max_tokens=100)
    assert tree.input_ids == [5, 6, 7, 8, 3, 7, 9, 3]
    wrong = Tree(
        input_ids=[5, 6, 7, 8, 3, 9, 3],
        depths=[0, 1, 2, 3, 4, 3, 4],
        ends=[7, 7, 7, 5, 5, 7, 7],
        targets=[IGNORED, IGNORED, 9, 3, IGNORED, 3, IGNORED],
    )
    for given, proved in ((tree, True), (wrong, False)):
        piece = {**tree_inputs(given), "targets": torch.tensor([given.targets])}
        assert compare(model_of("llama"), [piece], collator().batches(twice)).proved == proved


def test_a_learned_prompt_stands_before_the_tree() -> None:
    torch.manual_seed(2)
    learned = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4, prompt_tuning_init="RANDOM")
    with without_rename_warnings():
        model = get_peft_model(model_of("llama"), learned).double()
    found = difference(model, plant(ROWS, max_tokens=1000), virtual=4)
    assert found.loss < 1e-6
    assert found.gradient < 1e-6


@pytest.mark.parametrize(
    ("name", "kinds"),
    [("llama", 1), ("a window", 1), ("two kinds of layers", 2), ("a window in some layers", 2)],
)
def test_flex_attention_is_given_the_same_masks(name: str, kinds: int) -> None:
    (tree,) = plant(ROWS, max_tokens=1000)
    inputs, config, order = tree_inputs(tree), deepcopy(MODELS[name]), torch.arange(len(tree.input_ids))
    masks: dict[str, dict[str, Any]] = {}
    for attention in ("sdpa", "flex_attention"):
        config._attn_implementation = attention
        given = tree_mask(config, inputs["position_ids"], inputs["ends"])
        masks[attention] = given if isinstance(given, dict) else {"all": given}
    dense, flex = masks.values()
    assert dense.keys() == flex.keys()
    assert len(dense) == kinds == len({str(mask.tolist()) for mask in dense.values()})
    for kind, blocks in flex.items():
        seen = blocks.mask_mod(torch.tensor(0), torch.tensor(0), order[:, None], order[None, :])
        assert torch.equal(seen, dense[kind][0, 0])
        assert blocks.shape[-2:] == (len(order), len(order))


def tuned(tokenizer: Any, folder: Path, **changes: Any) -> tuple[dict[str, torch.Tensor], Training]:
    model, training = fine_tune(
        tiny_model(tokenizer),
        tokenizer,
        tiny_rows(tokenizer),
        recipe=recipe(**changes),
        stop_token=STOP,
        checkpoints=Checkpoints(folder, math.inf),
    )
    return {name: value.clone() for name, value in model.state_dict().items()}, training


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"method": "lora", "lora": LORA},
        {"method": "prompt_tuning", "virtual_tokens": 3},
        {"batch_size": 1, "gradient_accumulation_steps": 4},
        {"checkpointing": "always"},
    ],
    ids=str,
)
def test_a_run_with_sharing_is_the_run_without(
    tokenizer: Any, tmp_path: Path, changes: dict[str, Any]
) -> None:
    plain, one = tuned(tokenizer, tmp_path, epochs=3.0, **changes)
    shared, two = tuned(tokenizer, tmp_path, epochs=3.0, tree_tokens=64, **changes)
    assert (one.shared, two.shared) == (False, True)
    assert one.steps == two.steps
    assert [step for step, _ in one.loss] == [step for step, _ in two.loss]
    for (_, ours), (_, theirs) in zip(one.loss, two.loss, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-4)
    assert max(float((plain[name] - shared[name]).abs().max()) for name in plain) < 2e-3


def test_accumulation_gives_the_same_trees(tokenizer: Any, tmp_path: Path) -> None:
    chosen = recipe(batch_size=4, tree_tokens=64, group_by_length=False)
    steps = []
    for one in (chosen, replace(chosen, batch_size=1, gradient_accumulation_steps=4)):
        rows = tiny_rows(tokenizer)
        trainer = make_trainer(tiny_model(tokenizer), tokenizer, rows, recipe=one, workdir=tmp_path)
        steps.append([[p["input_ids"].tolist() for p in s["pieces"]] for s in trainer.get_train_dataloader()])
    assert steps[0] == steps[1]


@pytest.mark.slow
def test_a_proof_that_fails_reads_rows_alone_and_says_so(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, _ = tuned(tokenizer, tmp_path)
    monkeypatch.setattr(
        "cocktail.training.pieces.tree_mask",
        lambda config, positions, ends: torch.ones(1, 1, len(ends), len(ends), dtype=torch.bool).tril(),
    )
    alone, training = tuned(tokenizer, tmp_path, tree_tokens=64)
    assert not training.shared
    assert "rows are read alone" in capsys.readouterr().err
    assert all(torch.equal(plain[name], alone[name]) for name in plain)


def test_dropout_turns_sharing_off(
    tokenizer: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dropped = replace(LORA, dropout=0.1)
    _, training = tuned(tokenizer, tmp_path, method="lora", lora=dropped, tree_tokens=64)
    assert not training.shared
    assert "dropout" in capsys.readouterr().err


def test_what_layers_cannot_do_is_known() -> None:
    model = model_of("llama")
    assert not list(obstacles(model))
    model.config.layer_types = ["linear_attention", "full_attention", "full_attention"]
    assert list(obstacles(model)) == ["layers of kind linear_attention"]
    del model.config.layer_types
    model.config._attn_implementation = "flash_attention_2"
    assert list(obstacles(model)) == ["flash_attention_2 takes no mask of our own"]


def test_rows_of_the_trainer_are_those_of_the_trees(tokenizer: Any, tmp_path: Path) -> None:
    """Every trained token of the step is counted once."""
    rows = tiny_rows(tokenizer, ITEMS)
    chosen = recipe(batch_size=len(rows), tree_tokens=64)
    trainer = make_trainer(tiny_model(tokenizer), tokenizer, rows, recipe=chosen, workdir=tmp_path)
    (step,) = list(trainer.get_train_dataloader())
    assert sorted(step["labels"].tolist()) == sorted(token for row in rows for token in row.completion)
    losses = torch.cat([token_losses(trainer.model, piece) for piece in step["pieces"]])
    assert len(losses) == len(step["labels"])
