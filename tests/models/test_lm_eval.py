"""lm-evaluation-harness with the exported tasks gives our accuracy, item by item, on generated data."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from answers_fixture import ROOT
from tiny_model import STOP, recipe, tiny_tokenizer, write_tiny_base

from cocktail import cli
from cocktail.config import Params, check_params
from cocktail.config.compose import compose, write_params
from cocktail.data.evaluation_set import read_evaluation_set
from cocktail.data.grid import Asked
from cocktail.data.prepare import prepare
from cocktail.data.prompts import items_of
from cocktail.data.table import read_split, write_split
from cocktail.errors import CocktailError, DataError
from cocktail.files.records import read_json
from cocktail.scoring.outcome import Tolerance, judge
from cocktail.sources.fetch import fetch_sources
from cocktail.studies.exchange.lm_eval import export_lm_eval

ASKED = ("fpb", "headline", "twitter_sa")  # short enough for a context of 256 tokens
ITEMS = 40
SEVEN = {"headline", "fpb", "fin_ner_cls", "finqa", "convfinqa", "twitter_topics", "twitter_sa"}


@pytest.fixture(scope="module")
def params() -> Params:
    return check_params(compose(ROOT / "conf", "tiny"), where="test")


@pytest.fixture(scope="module")
def prepared(params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated data of study tiny, with a few test items a task."""
    folder = tmp_path_factory.mktemp("data")
    fetch_sources(folder / "raw", params.fetch, params.sources())
    prepare(folder / "raw", folder / "prepared", params=params)
    for path in (folder / "prepared").rglob("digests.json"):
        path.unlink()
    for task in SEVEN:
        rows = read_split(folder / "prepared", task, "test")
        write_split(folder / "prepared", task, "test", rows.iloc[:ITEMS])
    return folder / "prepared"


@pytest.fixture(scope="module")
def out(prepared: Path, params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    export_lm_eval(prepared, folder, params=params)
    return folder


def exported_module(out: Path) -> Any:
    spec = importlib.util.spec_from_file_location("cocktail_items", out / "cocktail_items.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_seven_tasks_are_there_with_their_items(out: Path, prepared: Path) -> None:
    names = {path.stem.removeprefix("cocktail_") for path in out.glob("*.yaml")}
    assert names == SEVEN
    for name in names:
        lines = (out / name / "test.jsonl").read_text(encoding="utf-8").splitlines()
        asked = items_of(read_split(prepared, name, "test"))
        assert [json.loads(line)["question"] for line in lines] == [item.question for item in asked]
        text = (out / f"cocktail_{name}.yaml").read_text(encoding="utf-8")
        assert text.count("!function cocktail_items.") == 2
        config = yaml.safe_load(text.replace("!function ", ""))
        facts = read_json(prepared / "tasks.json")[name]
        assert config["generation_kwargs"]["max_gen_toks"] == facts["max_new_tokens"]
        assert config["validation_split"] == "validation" and config["test_split"] == "test"


def test_the_exported_module_reads_as_we_do(out: Path, params: Params) -> None:
    module = exported_module(out)
    tolerance = Tolerance(params.score.relative_tolerance, params.score.absolute_tolerance)
    for task, answers in (
        ("fpb", ("Positive", "positive.", "it is neutral", "")),
        ("finqa", ("12%", "-3", "(3)", "yes", "about 4 or 5", "1,000.0")),
    ):
        for line in (out / task / "test.jsonl").read_text(encoding="utf-8").splitlines()[:20]:
            doc = json.loads(line)
            for answer in (*answers, doc["gold"]):
                ours = judge(
                    answer, doc["gold"], kind=doc["kind"], labels=tuple(doc["labels"]), tolerance=tolerance
                )
                assert module.read(doc, [answer]) == {
                    "acc_strict": float(ours.strict == "ok"),
                    "acc_lenient": float(ours.lenient == "ok"),
                    "invalid": float(ours.strict == "invalid"),
                }
    assert {*module.load("fpb", anything=1)} == {"test", "validation"}


def test_real_items_are_not_put_where_git_takes_them(prepared: Path, tmp_path: Path) -> None:
    real = check_params(
        compose(ROOT / "conf", "tiny", ["source=mirror", "fetch.mirror=/nowhere"]), where="test"
    )
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    with pytest.raises(CocktailError, match="git would take them"):
        export_lm_eval(prepared, tmp_path / "new/folder", params=real)
    assert not (tmp_path / "new").exists()
    (tmp_path / ".gitignore").write_text("/new/\n", encoding="utf-8")
    assert export_lm_eval(prepared, tmp_path / "new/folder", params=real)


def test_what_was_not_prepared_is_said(params: Params, tmp_path: Path) -> None:
    (tmp_path / "tasks.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="no finance task is prepared"):
        export_lm_eval(tmp_path, tmp_path / "out", params=params)


def test_the_command(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/prepared").symlink_to(prepared)
    (tmp_path / "conf").symlink_to(ROOT / "conf")
    monkeypatch.chdir(tmp_path)
    write_params(Path("params.yaml"), compose(ROOT / "conf", "tiny"))
    monkeypatch.setattr(sys, "argv", ["cocktail", "export", "lm-eval", "--out", "tasks"])
    cli.main()
    assert capsys.readouterr().out == "22 files are in tasks\n"


@pytest.fixture(scope="module")
def tuned(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, Path]:
    """A tiny model that was taught to answer some of the items: model, tokenizer, folder of its base."""
    reason = "lm-eval is not in the lock: pip install -e '.[interop]' in another environment"
    pytest.importorskip("lm_eval", reason=reason)  # before a model is trained for nothing
    from cocktail.training.checkpoints import Checkpoints
    from cocktail.training.methods import load_base
    from cocktail.training.rows import training_rows
    from cocktail.training.sft import fine_tune

    folder = tmp_path_factory.mktemp("model")
    base, tokenizer = write_tiny_base(folder / "base"), tiny_tokenizer()
    taught = [item for task in ASKED for item in items_of(read_split(prepared, task, "test"))]
    rows, _ = training_rows(tokenizer, taught, stop_token=STOP, max_length=250, truncation="drop")
    settings = recipe(epochs=3.0, max_length=250, batch_size=4)
    checkpoints = Checkpoints(folder / "checkpoints", float("inf"))
    model, _ = fine_tune(
        load_base(base, settings), tokenizer, rows, recipe=settings, stop_token=STOP, checkpoints=checkpoints
    )
    return model.eval(), tokenizer, base


def our_codes(prepared: Path, task: str, tuned: tuple[Any, Any, Path]) -> pd.DataFrame:
    """Answer and strict code of each test item, by our own loop."""
    from cocktail.inference.answer import answer_set, render_set
    from cocktail.inference.generate import TorchEngine
    from cocktail.training.bases.tokens import end_ids

    model, tokenizer, base = tuned
    asked = read_evaluation_set(prepared, Asked(task, False, None))
    rendered = render_set(tokenizer, asked, max_prompt=240, stop_token=STOP)
    engine = TorchEngine(model, ends=end_ids(base, tokenizer, STOP), batch_size=8, soft_prompt=None)
    answers = answer_set(engine, tokenizer, rendered)
    facts, gold = read_json(prepared / "tasks.json")[task], asked.table["gold"]
    codes = [
        judge(
            one, right, kind=facts["kind"], labels=tuple(facts["labels"]), tolerance=Tolerance(0.01, 0.0)
        ).strict
        for one, right in zip(answers["answer"], gold, strict=True)
    ]
    return pd.DataFrame({"item": answers["item"], "answer": answers["answer"], "strict": codes})


@pytest.mark.slow
def test_lm_eval_gives_our_strict_accuracy(out: Path, prepared: Path, tuned: tuple[Any, Any, Path]) -> None:
    """Greedy on the same prompts: every item is the same, but where two tokens tie in float32.

    Batches are padded otherwise there, so at most one item in a hundred may differ, and accuracy by 0.01.
    """
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    model, tokenizer, _ = tuned
    found = simple_evaluate(
        model=HFLM(pretrained=model, tokenizer=tokenizer, batch_size=8, max_length=256),
        tasks=[f"cocktail_{task}" for task in ASKED],
        task_manager=TaskManager(include_path=str(out), include_defaults=False),
        apply_chat_template=True,
        log_samples=True,
        bootstrap_iters=0,
    )
    wrong, right, answered = 0, 0, set()
    for task in ASKED:
        ours = our_codes(prepared, task, tuned).set_index("item")
        samples = {one["doc"]["item"]: one for one in found["samples"][f"cocktail_{task}"]}
        assert samples.keys() == {*ours.index}
        for item, one in samples.items():
            same = bool(one["acc_strict"]) == (ours.loc[item, "strict"] == "ok")
            wrong += not same
            right += int(one["acc_strict"])
            answered.add(ours.loc[item, "answer"])
        accuracy = found["results"][f"cocktail_{task}"]["acc_strict,none"]
        assert accuracy == pytest.approx((ours["strict"] == "ok").mean(), abs=0.01)
    total = ITEMS * len(ASKED)
    print(f"{total} items, {right} right, {len(answered)} different answers, {wrong} otherwise in lm-eval")
    assert wrong <= total // 100
    assert 0 < right < total and len(answered) > 2, "a model that always says one thing shows nothing"
