"""Keys of runs: they hang on what a run is, and on nothing of where it is made or how its code is written."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from answers_fixture import ROOT, study_params, write_prepared
from tiny_model import MODEL, RECIPE

from cocktail.config import Params
from cocktail.data.evaluation_set import EvaluationSet, read_evaluation_set
from cocktail.data.grid import Asked, explore_runs
from cocktail.files.records import write_json
from cocktail.runs.jobs import RunJob
from cocktail.runs.runs import StageInputs
from cocktail.training import keys
from cocktail.training.keys import answers_key, base_identity, training_key
from cocktail.training.recipe import LoraShape, Recipe

PARAMS = study_params("smoke")
TRAINING: dict[str, Any] = {"base": "b", "rows": "r", "stop_token": "<|end|>", "truncation": "cut"}
ANSWERING: dict[str, Any] = {"stop_token": "<|end|>", "bf16": False, "max_prompt": 240, "vllm": False}
# What a training learns does not hang on these, but for rounding.
FACTS = {"checkpointing", "attention", "compile", "liger", "devices", "tree_tokens"}
OTHER: dict[str, Any] = {
    "method": "lora",
    "precision": "bf16",
    "scheduler": "linear",
    "packing": True,
    "group_by_length": False,
    "lora": LoraShape(2, 4, 0.0),
    "checkpointing": "always",
    "attention": "flash_attention_2",
    "compile": True,
    "liger": True,
}


@pytest.fixture
def evaluation_set(tmp_path: Path) -> EvaluationSet:
    write_prepared(tmp_path, PARAMS)
    return read_evaluation_set(tmp_path, Asked("fpb", True, 7))


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The libraries of no day: for keys that are written down here."""
    names = {*keys.TRAINING_LIBRARIES, *keys.ANSWERING_LIBRARIES}
    monkeypatch.setattr(keys, "library_versions", lambda: dict.fromkeys(names, "1.0+cpu"))


def another(field: str) -> Any:
    """A value that ``RECIPE`` does not have."""
    return OTHER[field] if field in OTHER else getattr(RECIPE, field) + 1


def key(**changes: Any) -> str:
    return training_key(replace(RECIPE, **changes), **TRAINING)


def test_names_and_form_of_keys_are_frozen(versions: None, evaluation_set: EvaluationSet) -> None:
    """Whoever changes these trains and answers anew whatever was kept: by a new rule, never by the way."""
    assert key() == "c2ea7c2e162bc053f196fc868d8df7ee0566102d039a48765e303b2a0858ec1d"
    assert (
        answers_key("m", asked=evaluation_set, **ANSWERING)
        == "9f8fc258aa76b6d5679b52ae6b035c1fc455eaa13271c044c9f81031b6e5fcf3"
    )
    assert (
        base_identity(MODEL, source="") == "cc058f84679cdb25c263351a51a2fb949223f90a9c1542d9131401e630b2f957"
    )
    assert (
        base_identity(MODEL, source="weights")
        == "34467707737f9a3492dc826697ebb2f9efa48c708e5a30e1ee1758afb02ab1a0"
    )


def test_repeated_lists_make_another_base_and_none_of_them_the_same() -> None:
    assert MODEL.pretrain
    more = MODEL.model_copy(update={"pretrain": MODEL.pretrain.model_copy(update={"repeat_tokens": 64})})
    assert base_identity(more, source="") != base_identity(MODEL, source="")


@pytest.mark.parametrize("field", [one.name for one in fields(Recipe)])
def test_every_field_of_a_recipe_is_in_the_key_or_is_known_to_change_nothing(field: str) -> None:
    changed = key(**{field: another(field)})
    if field in ("batch_size", "gradient_accumulation_steps"):  # their product is the step
        assert changed != key() == key(batch_size=1, gradient_accumulation_steps=RECIPE.batch_size)
    else:
        assert (changed == key()) == (field in FACTS)


@pytest.mark.parametrize("name", [*TRAINING, *ANSWERING, "model", "asked"])
def test_what_else_a_run_is_made_of_is_in_the_key(name: str, evaluation_set: EvaluationSet) -> None:
    if name in TRAINING:
        assert training_key(RECIPE, **{**TRAINING, name: "other"}) != key()
    if name in TRAINING and name not in ANSWERING:
        return
    asked: dict[str, Any] = {**ANSWERING, "asked": evaluation_set, "model": key()}
    other = {
        "bf16": True,
        "vllm": True,
        "max_prompt": 239,
        "asked": replace(evaluation_set, table=evaluation_set.table[1:]),
    }
    assert answers_key(**asked) != answers_key(**{**asked, name: other.get(name, "other")})


def test_what_is_at_its_default_is_absent(monkeypatch: pytest.MonkeyPatch, versions: None) -> None:
    """So a younger option, at its default, is in no key that is older."""
    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(keys, "digest_value", lambda facts: seen.append(facts) or "")
    key()
    given = {
        "max_steps": 0,
        "warmup_steps": 0,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "precision": "fp32",
    }
    assert {name: getattr(RECIPE, name) for name in given} == given
    assert set(seen[0]) & set(keys.DEFAULTS) == set()
    key(warmup_steps=1, weight_decay=0.1, max_grad_norm=0.5, precision="bf16", max_steps=3)
    assert set(seen[1]) - set(seen[0]) == {
        "warmup_steps", "weight_decay", "max_grad_norm", "bf16", "optimiser_steps",
    }  # fmt: skip


def test_the_epochs_of_a_run_of_given_steps_play_no_part() -> None:
    assert key(max_steps=5) == key(max_steps=5, epochs=9.0) != key(max_steps=6)


def test_a_new_rule_or_library_makes_runs_anew(
    monkeypatch: pytest.MonkeyPatch, evaluation_set: EvaluationSet
) -> None:
    def three() -> list[str]:
        return [key(), answers_key("m", asked=evaluation_set, **ANSWERING), base_identity(MODEL, source="")]

    before = three()
    for rules, place in (("TRAINING_RULES", 0), ("ANSWERING_RULES", 1), ("BASE_RULES", 2)):
        with monkeypatch.context() as patch:
            patch.setattr(keys, rules, {**getattr(keys, rules), 2: "otherwise"})
            assert [a != b for a, b in zip(three(), before, strict=True)] == [n == place for n in range(3)]
    found = keys.library_versions()
    for library, changed in (("torch", [0, 1, 2]), ("trl", [0, 2]), ("vllm", [])):
        with monkeypatch.context() as patch:
            patch.setattr(keys, "library_versions", lambda: {**found, library: "99.0"})  # noqa: B023
            assert [n for n in range(3) if three()[n] != before[n]] == changed
    with monkeypatch.context() as patch:
        plain = found["torch"].partition("+")[0]
        patch.setattr(keys, "library_versions", lambda: {**found, "torch": f"{plain}+cu130"})
        assert three() == before


def jobs(root: Path, params: Params = PARAMS) -> list[RunJob]:
    """All explored runs of the made-up study below ``root``."""
    runs, base = explore_runs(params), root / "base"
    write_prepared(root, params)
    write_json(base / "base.json", {"identity": "made up", "files": {}})
    planner = StageInputs(params, "phi3_smoke", root, base, None, root / "none").planner(runs)
    return [planner.job(run, max_steps=0).payload for run in runs]


def keys_of(root: Path, params: Params = PARAMS) -> list[Any]:
    return [(job.training_key, job.answers) for job in jobs(root, params)]


def test_of_a_base_only_the_same_questions_wait_for_each_other(tmp_path: Path) -> None:
    """With and without solved examples it answers on two cores at a time; a training is done by one."""
    shots = PARAMS.model_copy(update={"answer": PARAMS.answer.model_copy(update={"shots": 2})})
    base, shown, *trained = jobs(tmp_path, shots)
    assert (base.run.kind, shown.run.kind) == ("base", "shots")
    assert base.training_key == shown.training_key and base.lock_key != shown.lock_key
    assert trained and all(job.lock_key == job.training_key for job in trained)


@pytest.mark.slow
def test_another_cpu_or_gpu_or_place_makes_no_run_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = keys_of(tmp_path / "here")
    assert len({key for key, _ in here}) == len(here)
    for module in ("training.environment", "runs.execute", "runs.plan"):
        monkeypatch.setattr(f"cocktail.{module}.device_name", lambda: "another")
    monkeypatch.setattr("cocktail.training.environment.cpu_name", lambda: "another")
    monkeypatch.setattr("cocktail.training.environment.cpu_flags", list)
    assert keys_of(tmp_path / "elsewhere") == here
    gpus = {"gpus_per_run": 2, "accept": "same_type", "keep_weights": "none", "workers": 3}
    changed = PARAMS.model_copy(update={"execute": PARAMS.execute.model_copy(update=gpus)})
    assert keys_of(tmp_path / "gpus", changed) == here


@pytest.mark.slow
def test_the_tier_of_a_study_makes_no_run_anew(tmp_path: Path) -> None:
    paper = PARAMS.model_copy(update={"study": PARAMS.study.model_copy(update={"tier": "paper"})})
    assert keys_of(tmp_path / "paper", paper) == keys_of(tmp_path / "miniature")


@pytest.mark.slow
def test_a_study_that_asks_more_or_has_more_shares_its_keys(tmp_path: Path) -> None:
    """A run is the same in every study that has its rows; so are its answers to a set."""
    few = study_params("smoke", "study.evaluations=[fpb]", "study.targets=[fpb]", "study.name=few")
    mine, theirs = (
        {job.run.id: job for job in jobs(tmp_path / str(n), p)} for n, p in enumerate((few, PARAMS))
    )
    assert len(mine) > 15
    for name, job in mine.items():
        assert job.training_key == theirs[name].training_key
        assert set(job.answers) <= set(theirs[name].answers)


THERE = """
import sys
from pathlib import Path
sys.path.insert(0, {source!r})
from cocktail.config import load_params
from cocktail.data.grid import explore_runs
from cocktail.runs.runs import StageInputs
from cocktail.training import keys
root = Path({root!r})
params = load_params(root / "params.yaml")
runs = explore_runs(params)
planner = StageInputs(params, "phi3_smoke", root, root / "base", None, root / "none").planner(runs)
jobs = [planner.job(run, max_steps=0).payload for run in runs]
print(keys.__file__, [(job.training_key, job.answers) for job in jobs])
"""  # as keys_of does, without the libraries that the tests import


@pytest.mark.slow
def test_a_comment_in_the_code_makes_no_run_anew(tmp_path: Path) -> None:
    shutil.copytree(
        ROOT / "src/cocktail", tmp_path / "src/cocktail", ignore=shutil.ignore_patterns("__pycache__")
    )
    for path in (tmp_path / "src/cocktail").rglob("*.py"):
        path.write_text(f"{path.read_text(encoding='utf-8')}\n# Another word.\n", encoding="utf-8")
    here = keys_of(tmp_path / "here")
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    (tmp_path / "there/params.yaml").write_text(yaml.safe_dump(PARAMS.model_dump()), encoding="utf-8")
    program = THERE.format(source=str(tmp_path / "src"), root=str(tmp_path / "there"))
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == f"{tmp_path}/src/cocktail/training/keys.py {here}\n"
