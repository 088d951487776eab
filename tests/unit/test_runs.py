"""The runs of a stage, trained for real on a tiny base: the same bytes everywhere, nothing trained twice."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from data_params import make_params
from tiny_model import MODEL, write_tiny_base

from cocktail.config import Params
from cocktail.data.grid import Asked, Run
from cocktail.data.table import write_split
from cocktail.errors import RunError
from cocktail.files.records import read_json, read_table, write_json
from cocktail.inference.answer import answer_set
from cocktail.runs import execute as job_module
from cocktail.runs import plan as plan_module
from cocktail.runs import runs as execution
from cocktail.runs.execute import execute
from cocktail.runs.rounds import Job
from cocktail.runs.runs import StageInputs, run_all
from cocktail.training.sft import fine_tune

pytestmark = pytest.mark.slow

LABELS = {"fpb": ["negative", "positive"], "twitter_sa": ["bearish", "bullish"]}
ASKED = tuple(Asked(task, True, None) for task in LABELS)
BASE = Run(id="base", kind="base", sources=(), seed=42, asked=ASKED)
FPB = replace(BASE, id="single_fpb", kind="single", sources=("fpb",), epochs=1.0, learning_rate=1e-2)
PAIR = replace(FPB, id="pair_fpb_twitter_sa", kind="pair", sources=("fpb", "twitter_sa"))
STEPS = replace(FPB, id="steps", kind="steps", matches=PAIR.id)
SIZE = replace(FPB, id="size", kind="size", matches=PAIR.id, learning_rate=1e-3)


def examples(task: str, split: str, count: int) -> pd.DataFrame:
    labels = LABELS.get(task, ["yes", "no"])
    return pd.DataFrame(
        {
            "item": [f"{task}:{split}:{n}" for n in range(count)],
            "task": task,
            "instruction": f"What is the {task}?",
            "input": [f"Shares of mill {n} {('fell', 'rose')[n % 2]}." for n in range(count)],
            "answer": [labels[n % 2] for n in range(count)],
            "gold": [labels[n % 2] for n in range(count)],
            "cluster": [str(n) for n in range(count)],
            "document": "",
        }
    )


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_base(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    for task, sizes in {"fpb": (6, 2, 4), "twitter_sa": (10, 2, 4), "filler": (20, 0, 0)}.items():
        for split, count in zip(("train", "dev", "test"), sizes, strict=True):
            write_split(folder, task, split, examples(task, split, count))
    write_json(
        folder / "tasks.json",
        {
            name: {"labels": LABELS.get(name), "max_new_tokens": 4, "trains": True}
            for name in ("fpb", "twitter_sa", "filler")
        },
    )
    return folder


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COCKTAIL_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run jobs in this process (unless a test takes the pool); the list says which runs were trained."""
    seen: list[str] = []
    train = job_module._train

    def noted(job: Any, *given: Any) -> Any:
        seen.append(job.run.id)
        return train(job, *given)

    monkeypatch.setattr(job_module, "_train", noted)
    monkeypatch.setattr(execution, "run_jobs", in_process)
    torch.set_num_threads(1)
    return seen


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Run and evaluation set of all that was answered, in order."""
    seen: list[tuple[str, str]] = []
    answers = job_module._answers

    def noted(job: Any, engine: Any, tokenizer: Any, asked: Asked) -> pd.DataFrame:
        seen.append((job.run.id, asked.task))
        return answers(job, engine, tokenizer, asked)

    monkeypatch.setattr(job_module, "_answers", noted)
    return seen


def in_process(jobs: Sequence[Job[Any]], work: Any, **_: Any) -> dict[str, str]:
    failed = {}
    for job in jobs:
        try:
            work(job.payload)
        except RunError as error:
            failed[job.name] = str(error)
    return failed


def without_pairs(trained: list[str]) -> Any:
    """Answering that fails for the run PAIR."""

    def answered(*args: Any, **kwargs: Any) -> pd.DataFrame:
        if trained[-1] == PAIR.id:
            raise RunError("all answers are empty")
        return answer_set(*args, **kwargs)

    return answered


def study(**sections: dict[str, Any]) -> Params:
    names = ["fpb", "twitter_sa"]
    defaults: dict[str, Any] = {
        "study": {"tasks": names, "evaluations": names, "targets": ["fpb"]},
        "execute": {"keep_weights": "all"},
    }
    params = make_params(**(defaults | sections))
    return params.model_copy(update={"models": {"tiny": MODEL}})


def go(
    runs: list[Run],
    *,
    prepared: Path,
    base: Path,
    out: Path,
    params: Params | None = None,
    kept: Path | None = None,
) -> dict[str, bytes]:
    """Run a stage and return its output's bytes."""
    inputs = StageInputs(params or study(), "tiny", prepared, base, None, kept or out.with_name("none"))
    run_all(runs, inputs, out=out, label="test", lock="1")
    return {file.name: file.read_bytes() for file in sorted(out.iterdir())}


@pytest.mark.slow
def test_the_pool_and_this_process_give_the_same_bytes(
    prepared: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = []
    torch.set_num_threads(1)
    for name, runner in (("pool", execution.run_jobs), ("here", in_process)):
        monkeypatch.setenv("COCKTAIL_STORE", str(tmp_path / f"store-{name}"))
        monkeypatch.setattr(execution, "run_jobs", runner)
        outputs.append(go([BASE, FPB, PAIR], prepared=prepared, base=base, out=tmp_path / name))
    assert outputs[0] == outputs[1]
    assert len(outputs[0]) == 8


def test_what_is_written(prepared: Path, base: Path, tmp_path: Path, store: Path, trained: list[str]) -> None:
    out = tmp_path / "out"
    go([BASE, FPB], prepared=prepared, base=base, out=out)
    assert read_json(out / "index.json") == {"runs": ["base", "single_fpb"], "lock": "1"}
    receipt = read_json(out / "single_fpb.json")
    assert receipt["rows"] == {"fpb": {"in": 6, "kept": 6, "cut": 0, "dropped": 0}}
    assert (receipt["steps"], receipt["answered"], receipt["model"]) == (1, 12, "tiny")
    assert receipt["config"]["learning_rate"] == 1e-2
    assert str(tmp_path) not in (out / "single_fpb.json").read_text()
    table = read_table(out / "single_fpb.parquet")
    assert table["item"].is_unique
    assert table.groupby(["task", "split"]).size().tolist() == [2, 4, 2, 4]
    test = table[table["split"] == "test"]
    assert [c in LABELS[t] for c, t in zip(test["label_choice"], test["task"], strict=True)] == [True] * 8
    assert trained == ["single_fpb"]
    base_answers, tuned_answers = (
        read_table(out / f"{run}.parquet")["answer"] for run in ("base", "single_fpb")
    )
    assert (base_answers != tuned_answers).any()


def test_a_stored_run_is_not_trained_again_and_a_changed_one_is(
    prepared: Path, base: Path, tmp_path: Path, store: Path, trained: list[str]
) -> None:
    first = go([BASE, FPB, PAIR], prepared=prepared, base=base, out=tmp_path / "out")
    assert trained == ["single_fpb", "pair_fpb_twitter_sa"]
    assert go([BASE, FPB, PAIR], prepared=prepared, base=base, out=tmp_path / "out") == first
    assert len(trained) == 2
    faster = replace(FPB, learning_rate=2e-2)
    changed = go([BASE, faster, PAIR], prepared=prepared, base=base, out=tmp_path / "out")
    assert trained[2:] == ["single_fpb"]
    assert changed["single_fpb.json"] != first["single_fpb.json"]
    assert changed["pair_fpb_twitter_sa.parquet"] == first["pair_fpb_twitter_sa.parquet"]


@pytest.mark.parametrize(("keep", "again"), [("all", []), ("none", ["single_fpb"])])
def test_a_new_evaluation_set_is_answered_alone_and_without_training_where_weights_are_kept(
    keep: str,
    again: list[str],
    prepared: Path,
    base: Path,
    tmp_path: Path,
    store: Path,
    trained: list[str],
    answered: list[tuple[str, str]],
) -> None:
    params, fewer = study(execute={"keep_weights": keep}), replace(FPB, asked=ASKED[:1])
    before = go([BASE, fewer], prepared=prepared, base=base, out=tmp_path / "out", params=params)
    assert len(read_table(tmp_path / "out" / "single_fpb.parquet")) == 6
    trained.clear()
    answered.clear()
    more = go([BASE, FPB], prepared=prepared, base=base, out=tmp_path / "out", params=params)
    assert (trained, answered) == (again, [("single_fpb", "twitter_sa")])
    assert len(read_table(tmp_path / "out" / "single_fpb.parquet")) == 12
    assert go([BASE, fewer], prepared=prepared, base=base, out=tmp_path / "out", params=params) == before
    assert (trained, len(answered)) == (again, 1)
    assert bool(list(store.rglob("*.safetensors"))) == (keep == "all")
    shutil.rmtree(store)
    at_once = go([BASE, FPB], prepared=prepared, base=base, out=tmp_path / "out", params=params)
    assert at_once == more


def test_matched_runs_take_steps_and_rows_of_the_run_they_match(
    prepared: Path, base: Path, tmp_path: Path, store: Path, trained: list[str]
) -> None:
    go([FPB, PAIR, STEPS, SIZE], prepared=prepared, base=base, out=tmp_path / "out")
    receipts = {name: read_json(tmp_path / "out" / f"{name}.json") for name in (PAIR.id, "steps", "size")}
    assert receipts[PAIR.id]["steps"] == receipts["steps"]["steps"] == 2
    assert {name: count["in"] for name, count in receipts["size"]["rows"].items()} == {"fpb": 6, "filler": 10}
    assert receipts["steps"]["rows"]["fpb"]["in"] == 6


def test_a_failed_run_is_named_and_only_it_is_tried_again(
    prepared: Path,
    base: Path,
    tmp_path: Path,
    store: Path,
    trained: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("cocktail.inference.answer.answer_set", without_pairs(trained))
        with pytest.raises(RunError) as caught:
            go([FPB, PAIR], prepared=prepared, base=base, out=tmp_path / "out")
    assert "1 of 2" in caught.value.what
    assert PAIR.id in caught.value.what
    assert "all answers are empty" in caught.value.what
    assert not (tmp_path / "out").exists()
    (note,) = (store / "failed").iterdir()
    assert read_json(note) == {
        "run": PAIR.id,
        "stage": "test",
        "reason": str(RunError("all answers are empty")),
    }
    trained.clear()
    shutil.rmtree(store / "tuned")  # a stored answer needs no weights
    go([FPB, PAIR], prepared=prepared, base=base, out=tmp_path / "out")
    assert trained == [PAIR.id]
    assert not note.exists()


@pytest.mark.parametrize("silent", [1, 2])
def test_a_run_may_say_nothing_to_one_set_but_not_to_all(
    prepared: Path,
    base: Path,
    tmp_path: Path,
    store: Path,
    trained: list[str],
    monkeypatch: pytest.MonkeyPatch,
    silent: int,
) -> None:
    """What one set was answered waits until any answer has text: nothing is kept of a model that is mute."""
    sets: list[str] = []

    def answered(*args: Any, **kwargs: Any) -> pd.DataFrame:
        table = answer_set(*args, **kwargs)
        sets.append(table["task"].iloc[0])
        return table.assign(answer="") if len(sets) <= silent else table.assign(answer="x")

    monkeypatch.setattr("cocktail.inference.answer.answer_set", answered)
    if silent == 2:
        with pytest.raises(RunError, match="all answers are empty"):
            go([FPB], prepared=prepared, base=base, out=tmp_path / "out")
        assert not list((store / "answers").glob("*/*"))
        return
    go([FPB], prepared=prepared, base=base, out=tmp_path / "out")
    assert read_json(tmp_path / "out/single_fpb.json")["empty_answers"] == 6


def test_a_run_that_has_spoken_before_may_say_nothing_to_a_set_that_is_new(
    prepared: Path,
    base: Path,
    tmp_path: Path,
    store: Path,
    trained: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go([replace(FPB, asked=ASKED[:1])], prepared=prepared, base=base, out=tmp_path / "out")
    answers = job_module._answers
    monkeypatch.setattr(job_module, "_answers", lambda *given: answers(*given).assign(answer=""))
    go([FPB], prepared=prepared, base=base, out=tmp_path / "out")
    assert read_json(tmp_path / "out/single_fpb.json")["empty_answers"] >= 6


def test_a_changed_byte_of_the_base_is_found(
    prepared: Path, base: Path, tmp_path: Path, store: Path, trained: list[str]
) -> None:
    broken = tmp_path / "base"
    shutil.copytree(base, broken)
    weights = bytearray((broken / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (broken / "model.safetensors").write_bytes(weights)
    with pytest.raises(RunError) as caught:
        go([BASE], prepared=prepared, base=broken, out=tmp_path / "out")
    assert caught.value.where == str(broken / "model.safetensors")


def test_a_disk_without_room_is_found_before_training(
    prepared: Path,
    base: Path,
    tmp_path: Path,
    store: Path,
    trained: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usage = namedtuple("usage", "total used free")
    weights = (base / "model.safetensors").stat().st_size
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 0, 2 * weights - 1))
    with pytest.raises(RunError) as caught:
        go([BASE, FPB, PAIR], prepared=prepared, base=base, out=tmp_path / "out")
    assert "keep_weights" in caught.value.fix
    assert trained == []
    without = study(execute={"keep_weights": "none"})
    go([BASE, FPB, PAIR], prepared=prepared, base=base, out=tmp_path / "out", params=without)


def test_the_stop_token_of_the_model_is_used(
    prepared: Path, base: Path, tmp_path: Path, store: Path, trained: list[str]
) -> None:
    params = study().model_copy(
        update={"models": {"tiny": MODEL.model_copy(update={"stop_token": "<|none|>"})}}
    )
    with pytest.raises(RunError) as caught:
        go([FPB], prepared=prepared, base=base, out=tmp_path / "out", params=params)
    assert "the vocabulary has no stop token '<|none|>'" in caught.value.what


ADAPTERS: dict[str, dict[str, Any]] = {
    "lora": {"method": "lora", "lora": {"rank": 2, "alpha": 4, "dropout": 0.1, "learning_rate": 1e-2}},
    "prompt_tuning": {"method": "prompt_tuning"},
}


@pytest.mark.parametrize("method", ADAPTERS)
def test_adapters_answer_alike_when_they_come_from_the_store(
    method: str, prepared: Path, base: Path, tmp_path: Path, store: Path, trained: list[str]
) -> None:
    """Only the adapter is stored; the receipt says how many parameters were trained."""
    params = study(train=ADAPTERS[method])
    first = go([FPB], prepared=prepared, base=base, out=tmp_path / "out", params=params)
    full = go([FPB], prepared=prepared, base=base, out=tmp_path / "full")
    receipt = read_json(tmp_path / "out" / "single_fpb.json")
    assert 0 < receipt["trainable_parameters"] < receipt["total_parameters"] / 10
    assert receipt["config"]["method"] == method
    assert first["single_fpb.parquet"] != full["single_fpb.parquet"]
    sizes = sorted(file.stat().st_size for file in (store / "tuned").rglob("*.safetensors"))
    assert sizes[0] < sizes[1] / 10
    shutil.rmtree(store / "answers")
    trained.clear()
    assert go([FPB], prepared=prepared, base=base, out=tmp_path / "out", params=params) == first
    assert trained == []


def test_activations_are_computed_twice_where_memory_runs_out(
    prepared: Path,
    base: Path,
    tmp_path: Path,
    store: Path,
    trained: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = go([FPB], prepared=prepared, base=base, out=tmp_path / "plain")
    shutil.rmtree(store)  # it is the same run
    tried = []

    def small_memory(*args: Any, recipe: Any, **kwargs: Any) -> Any:
        tried.append(recipe.checkpointing)
        if recipe.checkpointing != "always":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return fine_tune(*args, recipe=recipe, **kwargs)

    monkeypatch.setattr("cocktail.training.sft.fine_tune", small_memory)
    by_need = study(train={"checkpointing": "by_need"})
    frugal = go([FPB], prepared=prepared, base=base, out=tmp_path / "out", params=by_need)
    assert tried == ["by_need", "always"]
    assert frugal["single_fpb.parquet"] == plain["single_fpb.parquet"]
    faster = replace(FPB, learning_rate=2e-2)
    with pytest.raises(RunError) as caught:
        go([faster], prepared=prepared, base=base, out=tmp_path / "out")
    assert "out of memory" in caught.value.what


def test_checkpoints_go_when_the_run_is_stored(
    prepared: Path, base: Path, tmp_path: Path, store: Path, trained: list[str]
) -> None:
    """Also those a killed go left behind."""
    params = study(execute={"keep_weights": "none", "checkpoint_minutes": 0.0})
    undisturbed = go([PAIR], prepared=prepared, base=base, out=tmp_path / "out")
    shutil.rmtree(store)
    assert go([PAIR], prepared=prepared, base=base, out=tmp_path / "out", params=params) == undisturbed
    assert not list((store / "checkpoints").rglob("checkpoint-*"))


def test_checkpoints_that_a_kill_left_beside_stored_answers_go(
    prepared: Path, base: Path, tmp_path: Path, store: Path, trained: list[str]
) -> None:
    """Killed between storing the answers and taking the checkpoints away: nobody does the run again."""
    go([FPB], prepared=prepared, base=base, out=tmp_path / "out")
    (run,) = (entry for entry in (store / "runs").glob("*/*") if entry.is_dir())
    left = store / "checkpoints" / run.parent.name / run.name / "checkpoint-10"
    left.mkdir(parents=True)
    go([FPB], prepared=prepared, base=base, out=tmp_path / "out")
    assert not left.exists()
    assert trained == [FPB.id]


def test_the_time_and_speed_of_a_run_stay_in_the_store(
    prepared: Path, base: Path, tmp_path: Path, store: Path, trained: list[str]
) -> None:
    go([BASE, FPB], prepared=prepared, base=base, out=tmp_path / "out")
    (training,) = [read_json(path) for path in (store / "runs").rglob("runtime.json")]
    assert training["tokens_per_second"] > 0
    assert 0 < training["share_of_ceiling"] < 1
    times = [read_json(path) for path in (store / "answers").rglob("runtime.json")]
    assert len(times) == 2 * len(ASKED)
    for facts in (training, *times):
        assert (facts["gpus"], facts["energy_joules"]) == (0, None)
        assert list(facts["seconds"]) == ["training" if facts is training else "answering"]


def both_at_once(job: Any, wait: bool = True) -> None:
    """What a worker does, and a line for each training that was begun."""
    train = job_module._train

    def noted(job: Any, *given: Any) -> Any:
        with Path(os.environ["TRAININGS"]).open("a") as file:
            file.write(f"{job.run.id}\n")
        return train(job, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job_module, "_train", noted)
        execute(job, wait)


def stage(prepared: Path, base: Path, out: Path) -> None:
    execution.execute = both_at_once
    go([BASE, FPB, PAIR, STEPS, SIZE], prepared=prepared, base=base, out=out)


@pytest.mark.slow
def test_two_stages_at_once_train_no_run_twice(
    prepared: Path, base: Path, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes with one store, as on two machines; each ends with the whole output."""
    monkeypatch.setenv("TRAININGS", str(tmp_path / "trainings"))
    context = multiprocessing.get_context("spawn")
    outs = [tmp_path / "one", tmp_path / "two"]
    stages = [context.Process(target=stage, args=(prepared, base, out)) for out in outs]
    for process in stages:
        process.start()
    for process in stages:
        process.join(120)
    assert [process.exitcode for process in stages] == [0, 0]
    lines = (tmp_path / "trainings").read_text().split()
    assert sorted(lines) == sorted({FPB.id, PAIR.id, STEPS.id, SIZE.id})
    one, two = ({file.name: file.read_bytes() for file in out.iterdir()} for out in outs)
    assert one == two


FULL_DISK = """
import sys, torch
sys.path[:0] = {path!r}
from pathlib import Path
import test_runs
torch.set_num_threads(1)
test_runs.execution.run_jobs = test_runs.in_process
test_runs.go([test_runs.FPB], prepared=Path({prepared!r}), base=Path({base!r}), out=Path({out!r}))
"""


@pytest.mark.skipif(
    subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode != 0
    if shutil.which("unshare")
    else True,
    reason="needs a file system of its own (unshare -rm)",
)
def test_a_full_disk_is_a_clear_error_and_the_rerun_succeeds(
    prepared: Path, base: Path, tmp_path: Path, store: Path, trained: list[str]
) -> None:
    """The store on a disk of 64 KB: nothing truncated is taken for a run, and with room it goes on."""
    program = FULL_DISK.format(
        path=[*sys.path], prepared=str(prepared), base=str(base), out=str(tmp_path / "out")
    )
    store.mkdir()
    small = f'mount -t tmpfs -o size=64k none {store} && {sys.executable} -c "$PROGRAM"'
    # The first check of room is told that there is plenty: here the disk fills while a run is written.
    blind = program.replace(
        "test_runs.go(", "test_runs.execution._check_room = lambda *_, **__: None\ntest_runs.go("
    )
    ended = subprocess.run(
        ["unshare", "-rm", "sh", "-c", small],
        env={**os.environ, "PROGRAM": blind},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode != 0
    assert "the disk is full" in ended.stderr
    assert not (tmp_path / "out").exists()
    go([FPB], prepared=prepared, base=base, out=tmp_path / "out")
    assert trained == [FPB.id]


def test_what_vllm_cannot_answer_here_is_not_trained(
    prepared: Path,
    base: Path,
    tmp_path: Path,
    store: Path,
    trained: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(RunError) as caught:
        go([FPB], prepared=prepared, base=base, out=tmp_path / "out", params=study(answer={"engine": "vllm"}))
    assert "vLLM needs an NVIDIA GPU" in caught.value.what
    assert trained == []


def test_a_failed_run_takes_only_its_own_controls_along(
    prepared: Path,
    base: Path,
    tmp_path: Path,
    store: Path,
    trained: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = replace(PAIR, id="other", learning_rate=5e-3)
    control = replace(STEPS, id="control", matches="other")

    monkeypatch.setattr("cocktail.inference.answer.answer_set", without_pairs(trained))
    with pytest.raises(RunError) as caught:
        go([FPB, PAIR, other, STEPS, control], prepared=prepared, base=base, out=tmp_path / "out")
    assert sorted(trained) == sorted([FPB.id, PAIR.id, "other", "control"])
    assert "2 of 5 runs failed" in caught.value.what
    assert f"steps: {PAIR.id}, which it matches, failed" in caught.value.what


@pytest.mark.parametrize(
    ("kind", "name", "old", "new"),
    [
        ("answers", "receipt.json", b'"answered": 6', b'"answered": 999'),
        ("runs", "training.json", b'"steps": 1', b'"steps": 999'),
        ("tuned", "model.safetensors", b'"format":"pt"', b'"format":"PT"'),
    ],
)
def test_a_damaged_entry_is_made_again_and_stops_no_other(
    kind: str,
    name: str,
    old: bytes,
    new: bytes,
    prepared: Path,
    base: Path,
    tmp_path: Path,
    store: Path,
    trained: list[str],
) -> None:
    """A changed receipt, too: it is evidence. Without its answers a run needs its weights."""
    first = go([FPB], prepared=prepared, base=base, out=tmp_path / "out")
    if kind == "tuned":
        shutil.rmtree(store / "answers")
    files = list((store / kind).rglob(name))
    for file in files:
        assert old in file.read_bytes()
        file.write_bytes(file.read_bytes().replace(old, new))
    second = go([FPB, PAIR], prepared=prepared, base=base, out=tmp_path / "out")
    of_the_run = first.keys() - {"index.json", "digests.json"}
    assert {name: second[name] for name in of_the_run} == {name: first[name] for name in of_the_run}
    assert len(list((store / "broken" / kind).iterdir())) == len(files) > 0
    assert trained == [FPB.id, *([] if kind == "answers" else [FPB.id]), PAIR.id]


def test_a_run_whose_training_is_not_known_is_trained_again(
    prepared: Path,
    base: Path,
    tmp_path: Path,
    store: Path,
    trained: list[str],
    answered: list[tuple[str, str]],
) -> None:
    """Its answers are there, its weights, too; how many steps it took is not."""
    first = go([FPB], prepared=prepared, base=base, out=tmp_path / "out")
    shutil.rmtree(store / "runs")
    answered.clear()
    assert go([FPB], prepared=prepared, base=base, out=tmp_path / "out") == first
    assert (trained, answered) == ([FPB.id, FPB.id], [])


def test_what_another_device_made_counts_where_the_study_takes_any(
    prepared: Path,
    base: Path,
    tmp_path: Path,
    store: Path,
    trained: list[str],
    answered: list[tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs, only_here = [BASE, FPB], study(execute={"accept": "same_type"})

    def on(device: str, runs: list[Run] = runs, params: Params | None = None) -> tuple[Any, ...]:
        """What the receipts say of the devices, then what was trained and answered."""
        trained.clear()
        answered.clear()
        for module in (job_module, plan_module):
            monkeypatch.setattr(module, "device_name", lambda: device)
        go(runs, prepared=prepared, base=base, out=tmp_path / "out", params=params)
        receipts = [read_json(tmp_path / "out" / f"{run.id}.json") for run in runs]
        found = [(one["made_on"].get("device"), one["answered_on"]) for one in receipts]
        return found, list(trained), len(answered)

    on("mill", [replace(run, asked=ASKED[:1]) for run in runs])
    assert on("yard", params=study()) == ([(None, ["mill", "yard"]), ("mill", ["mill", "yard"])], [], 2)
    assert on("mill") == ([(None, ["mill", "yard"]), ("mill", ["mill", "yard"])], [], 0)
    # A model that was trained there and answered here is not one that was trained here.
    assert on("yard", params=only_here) == ([(None, ["yard"]), ("yard", ["yard"])], [FPB.id], 1 + 2)
    assert on("yard", params=only_here) == ([(None, ["yard"]), ("yard", ["yard"])], [], 0)


def test_times_that_cannot_be_read_stop_nothing(
    prepared: Path, base: Path, tmp_path: Path, store: Path, trained: list[str]
) -> None:
    first = go([FPB], prepared=prepared, base=base, out=tmp_path / "out")
    for file in store.rglob("runtime.json"):
        file.write_text("")
    assert go([FPB], prepared=prepared, base=base, out=tmp_path / "out") == first
    shutil.rmtree(store / "answers")  # weights alone, whose speed is not known any more
    assert go([FPB], prepared=prepared, base=base, out=tmp_path / "out") == first
    assert trained == [FPB.id]


def test_precision_and_name_of_the_model_are_part_of_what_the_base_answered(
    prepared: Path, base: Path, tmp_path: Path, store: Path, trained: list[str]
) -> None:
    for params in (study(), study(train={"precision": "bf16"})):
        go([BASE], prepared=prepared, base=base, out=tmp_path / "out", params=params)
    assert read_json(tmp_path / "out" / "base.json")["config"]["bf16"] is True
    renamed = study().model_copy(update={"models": {"other": MODEL}})
    inputs = StageInputs(renamed, "other", prepared, base, None, tmp_path / "none")
    run_all([BASE], inputs, out=tmp_path / "out", label="test", lock="")
    assert read_json(tmp_path / "out" / "base.json")["model"] == "other"
