"""Made-up prepared data and answers of a small study: every run answers right with a chosen probability.

The lock of a study, as ``cocktail lock`` writes it, without git and without today.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cocktail.analysis.judge.study import judge_study
from cocktail.analysis.selection import confirmed_choices, select_study
from cocktail.analysis.study import compare_study
from cocktail.claims.evaluate import evaluate_claims
from cocktail.claims.metrics import headline_metrics
from cocktail.claims.schema import read_claims
from cocktail.claims.study_lock import claims_digest, study_lock
from cocktail.claims.verdict import RULES
from cocktail.config import Params, check_params, general_tasks, record_name
from cocktail.config.compose import compose
from cocktail.data.confirmation import confirm_runs
from cocktail.data.grid import Asked, Run, explore_runs
from cocktail.data.table import sampled
from cocktail.files.records import digest_file, digest_text, digest_value, write_json, write_table
from cocktail.report.provenance import data_note
from cocktail.report.study import Inputs, report_study
from cocktail.runs.lock import lock_path, locked_params
from cocktail.scoring.outcome import Tolerance
from cocktail.scoring.score import score_study

ROOT = Path(__file__).parents[1]
CLAIMS = ROOT / "data/reference/claims.yaml"
LABELS = {
    "fpb": ("negative", "neutral", "positive"),
    "headline": ("yes", "no"),
    "twitter_sa": ("bearish", "bullish", "neutral"),
    "knowledge": ("A", "B", "C", "D"),
}
KINDS = {"fpb": "label", "headline": "label", "twitter_sa": "label", "knowledge": "choice"}
KINDS |= {"financebench": "free"}  # others: number
IDENTITY = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]
COMMIT, DATE = "c" * 40, "2030-01-31"  # of a lock
Skill = Callable[[Run, str], float]


# Study smoke confirms with one seed and a part of the grid; made-up studies have all of both.
WHOLE = ("study.include=[single,pair,without,all,tuned]", "study.confirm_seeds=[101,102,103]")
WHOLE += ("study.confirm_also=[without_open_orca]", "study.confirm_matched=[chosen,all,without_open_orca]")
WHOLE += ("study.confirm_targets=live",)


def study_params(study: str = "smoke", *overrides: str) -> Params:
    """Study smoke with the whole grid and two targets, or another study."""
    overrides = overrides or ("study.targets=[fpb,finqa]",)
    overrides = (*WHOLE, *overrides) if study == "smoke" else overrides
    return check_params(compose(ROOT / "conf", study, overrides), where="fixture")


def default_skill(run: Run, task: str) -> float:
    """Base knows little, a run knows what it was trained on, mixtures know it better, one pair best."""
    if run.sources == ("finqa", "convfinqa"):
        return 0.99
    if task not in run.sources:
        return 0.3
    return min(0.5 + 0.1 * len(run.sources), 0.9)


def write_prepared(folder: Path, params: Params, *, test_rows: int = 60, dev_rows: int = 20) -> None:
    """tasks.json and the parquet files of every task of the study; two items share a cluster."""
    facts = {}
    for task in dict.fromkeys([*params.study.tasks, *params.study.evaluations]):
        sizes = {"train": 30, "dev": 0 if task == "knowledge" else dev_rows, "test": test_rows}
        for split, size in sizes.items():
            write_table(folder / task / f"{split}.parquet", _examples(task, split, size))
        facts[task] = {
            "labels": list(LABELS[task]) if task in LABELS else None,
            "kind": KINDS.get(task, "number"),
            "max_new_tokens": 8,
            "trains": task in params.study.tasks,
            "evaluates": task in params.study.evaluations,
        }
    write_json(folder / "tasks.json", facts)
    kept = {"train": 30, "dev": dev_rows, "test": test_rows}
    counts = {
        "rows_in": {"train": 40, "dev": 0, "test": test_rows},
        "quarantined": 1,
        "cleaning": {"duplicates": 2},
        "leakage": {"exact": 3},
        "kept": kept,
    }
    write_json(folder / "report.json", dict.fromkeys(facts, counts))


def write_study(root: Path, params: Params, *, skill: Skill = default_skill) -> None:
    """Everything that the stages before score write, below ``root``."""
    prepared = root / "data/prepared"
    write_prepared(prepared, params)
    for task in params.fetch.sources:
        write_json(root / f"data/raw/{task}/receipt.json", raw_receipt(params, task))
    write_mixtures(root / "artifacts/mixtures", explore_runs(params))
    for model in params.models:
        write_json(root / f"artifacts/base/{model}/base.json", base_receipt(params.model(model).kind))
        answers = root / "artifacts/answers" / model
        method = params.train.method
        runs = explore_runs(params, model=model)
        write_answers(answers / "explore", prepared, runs, skill=skill, method=method)
        out = root / f"artifacts/selected/{model}.json"
        select_study(prepared, answers / "explore", out, params=params, model=model)
        chosen = {} if params.model(model).untuned else confirmed_choices(out, params)
        runs = confirm_runs(params, chosen, model=model)
        write_answers(answers / "confirm", prepared, runs, skill=skill, method=method)


def finish_study(root: Path, params: Params, *, skill: Skill = default_skill) -> None:
    """:func:`write_study`, then all later stages, in a git repository."""
    write_study(root, params, skill=skill)
    report_answers(root, params)
    (root / "requirements.lock").write_text("numpy==1\n", encoding="utf-8")
    (root / "dvc.lock").write_text(
        "stages:\n  fetch:\n    outs:\n    - path: data/raw\n      md5: 0a\n"
        "  base@phi3_smoke:\n    outs:\n    - path: artifacts/base/phi3_smoke\n      md5: 0b\n"
        "  base@of_another_study:\n    outs:\n    - path: artifacts/base/of_another_study\n      md5: 0c\n"
        "  page:\n    outs:\n    - path: reports/report.html\n      md5: 0b\n",
        encoding="utf-8",
    )
    for command in (["init", "-q"], ["add", "dvc.lock"], [*IDENTITY, "commit", "-qm", "made up"]):
        subprocess.run(["git", *command], cwd=root, check=True)


def report_answers(root: Path, params: Params) -> None:
    """From answers to tables as the stages do: score, judge, compare, claims, report."""
    prepared, reports, scores = root / "data/prepared", root / "reports", root / "artifacts/scores"
    answers = root / "artifacts/answers"
    score_study(prepared, answers, scores, models=list(params.models), tolerance=tolerance(params))
    judge_study(prepared, answers, scores, root / "artifacts/judge", params=params)
    selected = root / "artifacts/selected"
    numbers = compare_study(prepared, scores, selected, reports, params=params)
    claims = root / "data/reference/claims.yaml"
    claims.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(CLAIMS, claims)
    lock = study_lock(reports / "locks", answers, claims, params=params)
    note = data_note(params)
    judged = evaluate_claims(prepared, scores, selected, claims, reports, params=params, note=note, lock=lock)
    write_json(reports / "metrics.json", headline_metrics(numbers, judged))
    report_study(report_inputs(root), reports, params=params)


def tolerance(params: Params) -> Tolerance:
    """The study's tolerance of numbers."""
    return Tolerance(params.score.relative_tolerance, params.score.absolute_tolerance)


def report_inputs(root: Path) -> Inputs:
    """Where the report stage finds what it needs, below ``root``."""
    return Inputs(
        reports=root / "reports",
        raw=root / "data/raw",
        prepared=root / "data/prepared",
        mixtures=root / "artifacts/mixtures",
        answers=root / "artifacts/answers",
        judge=root / "artifacts/judge",
        bases=root / "artifacts/base",
        published=ROOT / "data/reference/published.yaml",
    )


def raw_receipt(params: Params, task: str) -> dict[str, object]:
    """A fetch receipt with the contract's keys."""
    source = params.fetch.sources[task]
    facts = {
        "source": task,
        "repo": source.repo,
        "revision": None,
        "pinned": False,
        "backend": params.fetch.backend,
    }
    return {**facts, "licence": source.licence, "status": source.status, "files": []}


def base_receipt(kind: str) -> dict[str, object]:
    """A base's receipt with the contract's keys."""
    if kind != "scratch":
        return {"kind": kind, "identity": f"{kind}, made up", "files": {}}
    return {
        "kind": kind,
        "identity": f"{kind}, made up",
        "parameters": 1000,
        "vocabulary": 300,
        "pretraining": {
            "tokens": 2_000_000,
            "steps": 400,
            "loss": [[1, 8.0], [100, 6.0], [200, 5.0], [400, 4.25]],
        },
        "instruction": {"steps": 5},
        "copy_probe": {"after_pretraining": 0.5, "at_the_end": 0.75},
        "files": {},
    }


def write_mixtures(folder: Path, runs: Sequence[Run]) -> None:
    """Mixtures of 30 rows a source, of which the first source lacks one."""
    mixed = [run for run in runs if run.sources]
    for run in mixed:
        asked = dict.fromkeys(run.sources, 30)
        write_json(
            folder / f"{run.id}.json",
            {"run": run.id, "kind": run.kind, "sources": list(run.sources), "rows": [], "asked": asked}
            | {"got": asked | {run.sources[0]: 29}},
        )
    write_json(folder / "index.json", {"runs": [run.id for run in mixed]})


def write_answers(
    folder: Path,
    prepared: Path,
    runs: Sequence[Run],
    *,
    skill: Skill = default_skill,
    method: str = "full",
) -> None:
    """Answers, receipt and index of ``runs``; the draw hangs on run and task alone."""
    for run in runs:
        table = pd.concat([_answers(prepared, run, one, skill=skill(run, one.task)) for one in run.asked])
        write_table(folder / f"{run.id}.parquet", table.reset_index(drop=True))
        facts = receipt(run, model=folder.parent.name, answered=len(table), method=method)
        write_json(folder / f"{run.id}.json", facts)
    write_json(folder / "index.json", {"runs": [run.id for run in runs]})


def receipt(run: Run, *, model: str, answered: int, method: str = "full") -> dict[str, object]:
    """A receipt with the contract's keys; the base's tells no method and no total of parameters."""
    trained = {"trainable_parameters": 1000 if method == "full" else 50, "total_parameters": 1000}
    recipe = {"method": method, "learning_rate": run.learning_rate, "epochs": run.epochs}
    return {
        "run": run.id,
        "model": model,
        "kind": run.kind,
        "sources": list(run.sources),
        "seed": run.seed,
        "config": {"truncation": "drop", **(recipe if run.sources else {})},
        "base": "0" * 64,
        "rows_digest": "1" * 64,
        "training_key": digest_text(f"{model} {run.id}") if run.sources else "",
        "made_on": {"device": "cpu"} if run.sources else {},
        "asked": {
            one.task: {
                "dev": one.dev,
                "test_rows": one.test_rows,
                "key": digest_text(f"{model} {run.id} {one.task}"),
            }
            for one in run.asked
        },
        "answered_on": ["cpu"],
        "rows": {source: {"in": 30, "kept": 29, "cut": 1, "dropped": 1} for source in run.sources},
        "tokens": {"trained": 300, "total": 900},
        "steps": 4 * len(run.sources),
        "epochs": run.epochs,
        "loss": [[step, 2.0 / step] for step in range(1, 4 * len(run.sources) + 1)],
        **(trained if run.sources else {"trainable_parameters": 0}),
        "answered": answered,
        "empty_answers": 0,
        "not_stopped": 0,
    }


def _examples(task: str, split: str, size: int) -> pd.DataFrame:
    golds = LABELS.get(task, ("4", "12.5%", "-3"))
    return pd.DataFrame(
        {
            "item": [f"{task}:{split}:{row}" for row in range(size)],
            "task": task,
            "instruction": "Answer.",
            "input": [f"made-up text {row}" for row in range(size)],
            "answer": [golds[row % len(golds)] for row in range(size)],
            "gold": [golds[row % len(golds)] for row in range(size)],
            "cluster": [f"{task}-{row // 2}" for row in range(size)],
            "document": "",
        },
        dtype="str",
    )


def _logprobs(task: str, split: str, right: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Of general test items, more where the answer is right."""
    asked = task in general_tasks() and split == "test"
    return (
        np.where(right, np.float32(-0.5), np.float32(-1.0))
        if asked
        else np.full(len(right), np.nan, "float32")
    )


def _answers(prepared: Path, run: Run, asked: Asked, *, skill: float) -> pd.DataFrame:
    task, parts = asked.task, []
    rng = np.random.default_rng(int(digest_text(f"{run.id} {task}")[:8], 16))
    for split in ("dev", "test") if asked.dev else ("test",):
        gold = pd.read_parquet(prepared / task / f"{split}.parquet")
        if split == "test":
            gold = gold[gold["item"].isin(sampled(gold["item"], asked.test_rows))]
        right = rng.random(len(gold)) < skill
        kept = gold[["item", "task", "cluster"]].assign(
            split=split,
            prompt_hash="0",
            answer=np.where(right, gold["gold"], "hm"),
            num_tokens=3,
            stopped=True,
            cut=False,
            label_choice=gold["gold"].where(gold["task"].isin(LABELS) & (split == "test"), ""),
            reference_logprob=_logprobs(task, split, right),
        )
        parts.append(kept)
    return pd.concat(parts, ignore_index=True)


def write_lock(locks: Path, params: Params, **changes: Any) -> str:
    """Write the lock of a study on the claims of the repository; return its digest."""
    settings = locked_params(params)
    facts = {
        "study": record_name(params),
        "claims": claims_digest(read_claims(CLAIMS)),
        "rule": max(RULES),
        "params": digest_value(settings),
        "settings": settings,
        "pilots": [],
        "commit": COMMIT,
        "date": DATE,
    }
    path = lock_path(locks, params)
    write_json(path, {**facts, **changes})
    return digest_file(path)
