"""Solved examples before the questions: of train, drawn by seed, never of the item's own cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from answers_fixture import study_params

from cocktail.config import load_params
from cocktail.data.evaluation_set import NO_SHOTS, Shots, read_evaluation_set
from cocktail.data.grid import Asked, explore_runs
from cocktail.data.table import COLUMNS, write_split
from cocktail.files.records import write_json
from cocktail.inference.answer import render_set

ROOT = Path(__file__).parents[2]
NUM_TRAIN, COUNT = 12, 3
TONE = Asked("tone", True, None)


def rows(split: str, clusters: list[str]) -> pd.DataFrame:
    values = [
        (f"tone:{split}:{n}", "tone", "What is the tone?", f"{split} text {n}", "positive", "positive", c, "")
        for n, c in enumerate(clusters)
    ]
    return pd.DataFrame(values, columns=COLUMNS)


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """Each test item has a train row's cluster, as with ``leakage: keep``; two train rows have one."""
    write_split(tmp_path, "tone", "train", rows("train", [f"c{n}" for n in range(NUM_TRAIN)] + ["c0"]))
    write_split(tmp_path, "tone", "dev", rows("dev", ["d0", "d1"]))
    write_split(tmp_path, "tone", "test", rows("test", [f"c{n}" for n in range(NUM_TRAIN)]))
    for split, table in (("train", []), ("dev", []), ("test", ["e0"])):
        other = rows(split, table).assign(task="bare", item=[f"bare:{split}:{n}" for n in range(len(table))])
        write_split(tmp_path, "bare", split, other)
    facts = {"max_new_tokens": 4, "labels": None}
    write_json(tmp_path / "tasks.json", {"tone": facts, "bare": facts})
    return tmp_path


def test_examples_are_train_rows_of_other_clusters(prepared: Path) -> None:
    evaluation_set = read_evaluation_set(prepared, TONE, Shots(COUNT, 42))
    for item, cluster in zip(evaluation_set.items(), evaluation_set.table["cluster"], strict=True):
        assert len(item.shots) == COUNT == len({shot.item for shot in item.shots})
        assert all(shot.item.startswith("tone:train:") for shot in item.shots)
        own = {f"tone:train:{n}" for n, c in enumerate([*range(NUM_TRAIN), 0]) if f"c{c}" == cluster}
        assert not own & {shot.item for shot in item.shots}


def test_one_seed_gives_one_draw_and_another_seed_another(prepared: Path) -> None:
    def shown(seed: int) -> list[Any]:
        return [item.shots for item in read_evaluation_set(prepared, TONE, Shots(COUNT, seed)).items()]

    assert shown(42) == shown(42) != shown(43)
    first = read_evaluation_set(prepared, TONE, Shots(COUNT, 42)).items()
    dev = {item.shots for item in first if item.item.startswith("tone:dev:")}
    assert len(dev) == 1, "items of no train cluster share their examples, so that they are read once"


def test_a_task_without_train_rows_is_asked_without_examples(prepared: Path) -> None:
    evaluation_set = read_evaluation_set(prepared, Asked("bare", True, None), Shots(COUNT, 42))
    assert [len(item.shots) for item in evaluation_set.items()] == [0]


def test_the_digest_tells_what_is_shown(prepared: Path) -> None:
    digests = [
        read_evaluation_set(prepared, TONE, s).digest()
        for s in (NO_SHOTS, Shots(0, 43), Shots(2), Shots(3), Shots(3, 43))
    ]
    assert digests[0] == digests[1]
    assert len(set(digests[1:])) == 4


def test_examples_take_half_of_the_prompt_at_most(prepared: Path, tokenizer: Any) -> None:
    evaluation_set = read_evaluation_set(prepared, TONE, Shots(COUNT, 42))
    rendered = render_set(tokenizer, evaluation_set, max_prompt=250, stop_token="<|end|>")
    for prompt, item in zip(rendered.prompts, evaluation_set.items(), strict=True):
        assert prompt.text.count("<|assistant|>") == COUNT + 1
        assert prompt.text.endswith(f"{item.input}<|end|><|assistant|>")
        assert len(prompt.ids) <= 250


def test_untuned_runs_are_asked_once_more_where_the_study_says_so() -> None:
    params = study_params("smoke", "answer.shots=5", "model=[phi3_smoke,phi3_tiny_large]")
    for model in params.models:
        first, second = explore_runs(params, model=model)[:2]
        assert (first.id, first.shots, second.id, second.kind, second.shots) == (
            "base",
            0,
            "base_shots",
            "shots",
            5,
        )
    assert "base_shots" not in [run.id for run in explore_runs(load_params(ROOT / "params.yaml"))]
