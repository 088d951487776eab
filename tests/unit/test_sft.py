"""Fine-tuning: what reaches the loss, and that settings do what they say."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from tiny_model import ITEMS, STOP, recipe, tiny_model, tiny_rows
from transformers import TrainerControl, TrainerState
from trl import SFTTrainer

from cocktail.errors import RunError
from cocktail.training import sft
from cocktail.training.checkpoints import Checkpoints
from cocktail.training.methods import ready_to_answer
from cocktail.training.pieces import token_losses
from cocktail.training.proof import TogetherProof
from cocktail.training.recipe import LoraShape, Training, recipe_from
from cocktail.training.rows import IGNORED
from cocktail.training.sft import fine_tune, make_trainer
from cocktail.training.trainer import LossWatch

LORA = LoraShape(rank=2, alpha=4, dropout=0.0)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def tuned(tokenizer: Any, folder: Path, **changes: Any) -> tuple[dict[str, torch.Tensor], Training]:
    model, training = fine_tune(
        tiny_model(tokenizer),
        tokenizer,
        tiny_rows(tokenizer),
        recipe=recipe(**changes),
        stop_token=STOP,
        checkpoints=Checkpoints(folder, math.inf),
    )
    answering = ready_to_answer(model, recipe(**changes))
    return {name: value.clone() for name, value in answering.model.state_dict().items()}, training


def differ(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> float:
    return max(float((left[name] - right[name]).abs().max()) for name in left)


def test_a_batch_holds_exactly_these_labels(tokenizer: Any, tmp_path: Path) -> None:
    rows = tiny_rows(tokenizer, ITEMS[:2])
    trainer = make_trainer(tiny_model(tokenizer), tokenizer, rows, recipe=recipe(), workdir=tmp_path)
    (step,) = list(trainer.get_train_dataloader())
    (piece,) = step["pieces"]
    width = max(len(row.input_ids) for row in rows)
    expected = sorted(row.labels[1:] + [IGNORED] * (width + 1 - len(row.labels)) for row in rows)
    assert sorted(piece["targets"].tolist()) == expected
    assert set(piece) == {"input_ids", "targets"}
    assert sorted(step["labels"].tolist()) == sorted(token for row in rows for token in row.completion)


@pytest.mark.slow
def test_our_loss_is_the_loss_of_trl(tokenizer: Any, tmp_path: Path) -> None:
    """Same weights and history from SFTTrainer's own loss and collator, to float tolerance."""
    rows, runs = tiny_rows(tokenizer), []
    ours = sft.CompletionTrainer
    same_order = {"_get_train_sampler": ours._get_train_sampler, "_epoch": ours._epoch}
    for kind in (ours, type("Plain", (SFTTrainer,), same_order)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sft, "CompletionTrainer", kind)
            trainer = make_trainer(
                tiny_model(tokenizer), tokenizer, rows, recipe=recipe(epochs=2.0), workdir=tmp_path
            )
            if kind is not ours:
                trainer.data_collator = trainer.data_collator.collate
            trainer.train()
            runs.append((trainer.state.log_history[0]["loss"], trainer.model.state_dict()))
    assert runs[0][0] == pytest.approx(runs[1][0], abs=1e-5)
    assert differ(runs[0][1], runs[1][1]) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("rows", [4, 8])
def test_accumulation_equals_one_large_batch(tokenizer: Any, tmp_path: Path, rows: int) -> None:
    """Rows of unequal answer length: only a mean over tokens, not over batches, gives the same."""
    changes = {"group_by_length": False, "epochs": 3.0}
    many, _ = tuned(tokenizer, tmp_path, batch_size=1, gradient_accumulation_steps=rows, **changes)
    once, _ = tuned(tokenizer, tmp_path, batch_size=rows, gradient_accumulation_steps=1, **changes)
    assert differ(many, once) < 1e-4


@pytest.mark.slow
def test_packed_loss_equals_unpacked_loss(tokenizer: Any, tmp_path: Path) -> None:
    """One step over all rows: packed rows must not see their neighbours."""
    changes = {"batch_size": 5, "max_steps": 1, "learning_rate": 1e-3, "max_length": 256}
    plain, one = tuned(tokenizer, tmp_path, **changes)
    packed, two = tuned(tokenizer, tmp_path, packing=True, group_by_length=False, **changes)
    assert one.loss[0][1] == pytest.approx(two.loss[0][1], abs=1e-5)
    assert differ(plain, packed) < 1e-4


def gradients(tokenizer: Any, folder: Path, **changes: Any) -> dict[str, torch.Tensor]:
    """The gradients of one step over all rows."""
    chosen = recipe(batch_size=5, max_length=256, **changes)
    model = tiny_model(tokenizer)
    trainer = make_trainer(model, tokenizer, tiny_rows(tokenizer), recipe=chosen, workdir=folder)
    (step,) = list(trainer.get_train_dataloader())
    for piece in step["pieces"]:
        token_losses(model, piece).sum().backward()
    return {name: value.grad for name, value in model.named_parameters() if value.grad is not None}


def test_packed_gradients_equal_unpacked_ones(tokenizer: Any, tmp_path: Path) -> None:
    """Not after the optimiser, whose first step looks at signs only."""
    plain = gradients(tokenizer, tmp_path)
    packed = gradients(tokenizer, tmp_path, packing=True, group_by_length=False)
    largest = max(float(value.abs().max()) for value in plain.values())
    assert plain.keys() == packed.keys()
    assert differ(plain, packed) < 1e-5 * largest


def test_packed_rows_that_see_their_neighbours_fail_the_run(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without positions that begin anew nothing keeps rows apart."""
    monkeypatch.setattr(
        "trl.trainer.sft_trainer.DataCollatorForLanguageModeling.get_position_ids_from_packed_seq_lengths",
        staticmethod(lambda lengths: [torch.arange(sum(one)) for one in lengths]),
    )
    with pytest.raises(RunError) as caught:
        tuned(tokenizer, tmp_path, packing=True, group_by_length=False, max_length=256)
    assert "packed rows are not kept apart" in caught.value.what
    assert "train.packing=false" in caught.value.fix


def test_the_proof_takes_a_sequence_of_several_rows(tokenizer: Any, tmp_path: Path) -> None:
    """The longest row fills the first packed sequence alone: there is nothing to see in it."""
    row, *rest = tiny_rows(tokenizer)
    length = 2 * max(len(one.input_ids) for one in (row, *rest))
    filled = replace(row, prompt=row.prompt + row.prompt[-1:] * (length - len(row.input_ids)))
    chosen = recipe(packing=True, group_by_length=False, max_length=length)
    trainer = make_trainer(tiny_model(tokenizer), tokenizer, [filled, *rest], recipe=chosen, workdir=tmp_path)
    assert len(trainer.train_dataset["seq_lengths"][0]) == 1
    (proof,) = [one for one in trainer.callback_handler.callbacks if isinstance(one, TogetherProof)]
    assert len(proof._alone) > 1


@pytest.mark.parametrize("harm", ["a row less", "a label less"])
def test_a_trainer_that_holds_other_rows_is_refused(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    rows = tiny_rows(tokenizer)

    def harmed(data: dict[str, Any]) -> Dataset:
        if harm == "a label less":
            data["labels"][0][-1] = IGNORED
            return Dataset.from_dict(data)
        return Dataset.from_dict({name: values[1:] for name, values in data.items()})

    monkeypatch.setattr(sft, "Dataset", type("Harmed", (), {"from_dict": staticmethod(harmed)}))
    with pytest.raises(RunError, match="other rows than it was given"):
        make_trainer(tiny_model(tokenizer), tokenizer, rows, recipe=recipe(), workdir=tmp_path)


def test_the_watch_knows_how_a_training_began_that_goes_on() -> None:
    """The first loss was high: twice of it is allowed, before a kill and after."""
    state = TrainerState(global_step=20, max_steps=30, log_history=[{"loss": 30.0, "step": 1}])
    watch = LossWatch(vocabulary=10)
    watch.on_train_begin(None, state, TrainerControl())
    watch.on_log(None, state, TrainerControl(), logs={"loss": 59.0})
    for logs in ({"loss": 61.0}, {"loss": 1.0, "grad_norm": math.inf}):
        with pytest.raises(RunError):
            watch.on_log(None, state, TrainerControl(), logs=logs)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tokenizer: Any, tmp_path: Path) -> None:
    first, training = tuned(tokenizer, tmp_path)
    again, same = tuned(tokenizer, tmp_path)
    other, _ = tuned(tokenizer, tmp_path, seed=43)
    assert differ(first, again) == 0.0
    assert training == same
    assert differ(first, other) > 0.0


def test_the_receipt_counts_tokens_steps_and_parameters(tokenizer: Any, tmp_path: Path) -> None:
    rows = tiny_rows(tokenizer)
    _, training = tuned(tokenizer, tmp_path, epochs=2.0)
    assert training.steps == 6  # 5 rows in batches of 2, twice
    assert training.epochs == 2.0
    assert training.trained_tokens == sum(len(row.completion) for row in rows)
    assert training.total_tokens == sum(len(row.prompt) + len(row.completion) for row in rows)
    assert training.trainable_parameters == training.total_parameters
    assert [step for step, _ in training.loss] == [1, 6]  # the first step, every tenth, and the last


def test_steps_overrule_epochs(tokenizer: Any, tmp_path: Path) -> None:
    assert tuned(tokenizer, tmp_path, epochs=1.0, max_steps=7)[1].steps == 7


@pytest.mark.slow
def test_learning_rate_and_warmup_matter(tokenizer: Any, tmp_path: Path) -> None:
    plain, _ = tuned(tokenizer, tmp_path)
    for changes in (
        {"learning_rate": 1e-3},
        {"warmup_steps": 2},
        {"scheduler": "constant"},
        {"max_grad_norm": 1e-3},
    ):
        assert differ(plain, tuned(tokenizer, tmp_path, **changes)[0]) > 0.0, changes


def test_an_adapter_trains_few_weights_and_ends_in_the_model(tokenizer: Any, tmp_path: Path) -> None:
    before = tiny_model(tokenizer).state_dict()
    after, training = tuned(tokenizer, tmp_path, method="lora", lora=LORA)
    assert 0 < training.trainable_parameters < training.total_parameters / 2
    assert after.keys() == before.keys()
    assert differ(before, after) > 0.0
    assert torch.equal(before["model.embed_tokens.weight"], after["model.embed_tokens.weight"])


def test_a_loss_that_is_no_number_fails_the_run(tokenizer: Any, tmp_path: Path) -> None:
    """Steps 2 to 6 are not logged one by one: the mean over all steps tells."""
    with pytest.raises(RunError) as caught:
        tuned(tokenizer, tmp_path, epochs=2.0, learning_rate=1e30, max_grad_norm=1e30)
    assert caught.value.fix


def test_rows_that_teach_something_else_fail_the_run(tokenizer: Any, tmp_path: Path) -> None:
    row, *rest = tiny_rows(tokenizer)
    for wrong in ([], [replace(row, answer="neutral"), *rest], [replace(row, prompt=row.prompt * 9), *rest]):
        with pytest.raises(RunError):
            fine_tune(
                tiny_model(tokenizer),
                tokenizer,
                wrong,
                recipe=recipe(),
                stop_token=STOP,
                checkpoints=Checkpoints(tmp_path, math.inf),
            )


def test_a_recipe_survives_its_record() -> None:
    for changes in ({}, {"method": "lora", "lora": LORA}):
        assert recipe_from(recipe(**changes).as_record()) == recipe(**changes)
