"""The finance tasks for lm-evaluation-harness: one YAML a task, with the prepared items as local files.

``lm_eval --include_path DIR --tasks cocktail --apply_chat_template`` asks them as we do: the same question
greedily, as many tokens. Answers are read by our own rules, which the exported module imports from here:
numbers in brackets, with units, within a tolerance, cannot be written in YAML. Written for lm-eval 0.4.13.

Not the same there: prompts that are too long lose their beginning, where ours lose the middle of the input;
generation ends at the tokenizer's end of sequence, where ours ends at ``models.<name>.stop_token``, too (add
``--gen_kwargs '{"until": ["<|end|>"]}'`` where they differ).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from cocktail.config import Params
from cocktail.data.prompts import items_of
from cocktail.data.table import read_split
from cocktail.errors import CocktailError, DataError
from cocktail.files.git import git_agrees
from cocktail.files.records import read_json, write_text
from cocktail.tasks import task_groups

GROUP, MODULE = "finance", "cocktail_items"
SPLITS = {"dev": "validation", "test": "test"}
MODULE_TEXT = '''\
"""Items of the tasks beside this file, and how Cocktail reads an answer; needs the package cocktail."""

from pathlib import Path

import datasets

from cocktail.scoring.outcome import Tolerance, judge

TOLERANCE = Tolerance(relative={relative}, absolute={absolute})


def load(items, **_):
    """The items of one task, by split."""
    files = {{path.stem: str(path) for path in sorted((Path(__file__).parent / items).glob("*.jsonl"))}}
    return datasets.load_dataset("json", data_files=files)


def read(doc, results):
    """Accuracy of one answer, read strictly and leniently; what cannot be read is wrong."""
    labels = tuple(doc["labels"])
    outcome = judge(results[0], doc["gold"], kind=doc["kind"], labels=labels, tolerance=TOLERANCE)
    return {{
        "acc_strict": float(outcome.strict == "ok"),
        "acc_lenient": float(outcome.lenient == "ok"),
        "invalid": float(outcome.strict == "invalid"),
    }}
'''


def export_lm_eval(prepared: Path, out: Path, *, params: Params) -> list[Path]:
    """Write YAML and items of every finance task that the study evaluates; return the files.

    Raises:
        DataError: none of them was prepared.
        CocktailError: ``out`` would put real data where git takes them.
    """
    settings: Mapping[str, Any] = read_json(prepared / "tasks.json")
    names = [name for name in params.study.evaluations if name in task_groups()[GROUP] and name in settings]
    if not names:
        raise DataError("no finance task is prepared", where=str(prepared), fix="dvc repro prepare")
    real = [name for name in names if params.fetch.sources[name].status != "generated"]
    if real and _git_takes(out):
        raise CocktailError(
            f"the items of {', '.join(real)} are real data, and git would take them from there",
            where=str(out),
            fix="a folder outside of any repository: the licences keep the texts out of git",
        )
    paths = []
    for name in names:
        tables = {called: read_split(prepared, name, split) for split, called in SPLITS.items()}
        splits = [called for called, rows in tables.items() if len(rows)]
        for called in splits:
            lines = _lines(tables[called], settings[name])
            paths.append(write_text(out / name / f"{called}.jsonl", "".join(lines)))
        paths.append(write_text(out / f"cocktail_{name}.yaml", task_yaml(name, settings[name], splits)))
    tolerance = params.score
    text = MODULE_TEXT.format(relative=tolerance.relative_tolerance, absolute=tolerance.absolute_tolerance)
    return [*paths, write_text(out / f"{MODULE}.py", text)]


def _lines(rows: pd.DataFrame, facts: Mapping[str, Any]) -> Iterator[str]:
    for item, gold in zip(items_of(rows), rows["gold"].tolist(), strict=True):
        line = {
            "item": item.item,
            "question": item.question,
            "answer": item.answer,
            "gold": gold,
            "kind": facts["kind"],
            "labels": facts["labels"] or [],
        }
        yield json.dumps(line, ensure_ascii=False) + "\n"


def task_yaml(name: str, facts: Mapping[str, Any], splits: list[str]) -> str:
    """Return the YAML of one task."""
    config = {
        "task": f"cocktail_{name}",
        "tag": "cocktail",
        "custom_dataset": f"{MODULE}.load",
        "dataset_kwargs": {"items": name},
        **{f"{split}_split": split for split in splits},
        "output_type": "generate_until",
        "doc_to_text": "{{question}}",
        "doc_to_target": "{{answer}}",
        "process_results": f"{MODULE}.read",
        "generation_kwargs": {"until": [], "do_sample": False, "max_gen_toks": facts["max_new_tokens"]},
        "metric_list": [
            {"metric": metric, "aggregation": "mean", "higher_is_better": metric != "invalid"}
            for metric in ("acc_strict", "acc_lenient", "invalid")
        ],
        "metadata": {"version": 1.0},
    }
    text: str = yaml.safe_dump(config, sort_keys=False)
    for key in ("custom_dataset", "process_results"):
        text = text.replace(f"{key}: {MODULE}", f"{key}: !function {MODULE}")
    return text


def _git_takes(folder: Path) -> bool:
    """Whether files of a folder, there or not yet, could be committed: within a clone, and not ignored."""
    near = next(path for path in (folder.resolve(), *folder.resolve().parents) if path.is_dir())
    ignored = ("check-ignore", "-q", str(folder.resolve() / "test.jsonl"))
    return git_agrees(near, "rev-parse", "--is-inside-work-tree") and not git_agrees(near, *ignored)
