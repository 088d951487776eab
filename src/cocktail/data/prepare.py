"""Stage ``prepare``: raw files of all sources to train, dev and test rows of all tasks.

Order: read and quarantine; clean; find leaks; pick dev by whole clusters; drop train rows that share a
cluster with any dev row, of whichever task; sample test rows; set filler aside. All sources are prepared,
whether the study uses them or not, so that studies on the same sources have the same splits; where
``fetch.unused`` is "leave", only those that it uses, and its splits are its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cocktail.config import FILLER, Params, PrepareConfig, StudyConfig
from cocktail.data.cleaning import (
    clean_train,
    drop_empty,
    drop_long,
    pick_dev,
    sample_test,
    set_aside_filler,
    without_clusters,
)
from cocktail.data.leakage import KINDS, find_leaks, group_pages
from cocktail.data.load import Loaded, load_source
from cocktail.data.refuse import refuse_taken
from cocktail.data.table import SPLITS, normalise, short_digest, write_split
from cocktail.files.records import fresh_folder, list_digests, write_json, write_table
from cocktail.tasks import Task, load_task

Tables = dict[str, dict[str, pd.DataFrame]]
Report = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Prepared:
    """All tasks' rows by split, with what happened to the raw rows.

    Attributes:
        tables: task -> split -> rows.
        report: task -> counts.
        leaks: the leaking train rows of all tasks.
    """

    tables: Tables
    report: Report
    leaks: pd.DataFrame


def prepare(raw: Path, out: Path, *, params: Params) -> None:
    """Write the prepared data folder, whole or not at all.

    Raises:
        DataError: a raw file cannot be read, too many rows are bad, or one rule takes most of a source.
    """
    sources, config = params.sources(), params.prepare
    tasks = {name: load_task(name) for name in dict.fromkeys([*sources, FILLER])}
    share = config.max_quarantine_share
    loaded = {
        name: load_source(raw / name, task=tasks[name], files=source.files, max_quarantine_share=share)
        for name, source in sources.items()
    }
    prepared = split_tasks(loaded, tasks=tasks, config=config)
    refuse_taken(prepared.report, params)
    with fresh_folder(out) as folder:
        for name, parts in prepared.tables.items():
            for part, rows in parts.items():
                write_split(folder, name, part, rows)
        write_json(folder / "tasks.json", {name: _facts(task, params.study) for name, task in tasks.items()})
        write_json(folder / "report.json", prepared.report)
        write_table(folder / "leakage.parquet", prepared.leaks)
        quarantine = pd.concat([source.quarantine for source in loaded.values()])
        write_table(folder / "quarantine.parquet", quarantine)
        list_digests(folder)


def split_tasks(loaded: dict[str, Loaded], *, tasks: dict[str, Task], config: PrepareConfig) -> Prepared:
    """Clean, de-leak and split the rows of all tasks."""
    report: Report = {
        name: {"rows_in": source.rows_in, "quarantined": len(source.quarantine)}
        for name, source in loaded.items()
    }
    tables = _digested({name: source.rows for name, source in loaded.items()})
    for name, parts in tables.items():
        tables[name], counts = _cleaned(parts, tasks[name], longest=config.max_characters.get(name))
        report[name]["cleaning"] = {"html_entities": loaded[name].unescaped, **counts}
    leaks = _drop_leaks(tables, report, tasks=tasks, keep=config.leakage == "keep")
    _pick_dev(tables, report, tasks=tasks, config=config, leaks=leaks)
    for parts in tables.values():
        parts["test"] = sample_test(parts["test"], at_most=config.test_rows, seed=config.seed)
    if config.filler_from == "open_orca":
        parts = tables["open_orca"]
        parts["train"], filler = set_aside_filler(parts["train"], seed=config.seed)
        tables[FILLER] = {"train": filler, "dev": filler.iloc[:0], "test": filler.iloc[:0]}
        report[FILLER] = {}
    for name, parts in tables.items():
        report[name]["kept"] = {part: len(rows) for part, rows in parts.items()}
        # Last, so that it changes no split.
        if config.closing == "before" and name in tasks and tasks[name].closing:
            tables[name] = {part: _closing_first(rows, tasks[name].closing) for part, rows in parts.items()}
    return Prepared(tables=tables, report=report, leaks=leaks)


def _closing_first(rows: pd.DataFrame, closing: str) -> pd.DataFrame:
    texts = rows["input"].str.removesuffix(closing).str.removesuffix("\n")
    return rows.assign(input=[f"{closing}\n{text}".strip("\n") for text in texts])


def _digested(tables: Tables) -> Tables:
    """Replace the texts in ``cluster`` and ``document`` by digests, pages by those of matched pages."""
    splits = [rows for parts in tables.values() for rows in parts.values()]
    pages = group_pages(page for rows in splits for page in rows["document"] if page)
    return {
        name: {
            part: rows.assign(
                cluster=[pages.get(text) or short_digest(normalise(text)) for text in rows["cluster"]],
                document=[pages.get(text, "") for text in rows["document"]],
            )
            for part, rows in parts.items()
        }
        for name, parts in tables.items()
    }


def _cleaned(
    parts: dict[str, pd.DataFrame], task: Task, *, longest: int | None
) -> tuple[dict[str, pd.DataFrame], dict[str, int]]:
    cleaned, counts = {}, dict.fromkeys(("empty_answer", "conflicting_labels", "duplicates"), 0)
    if longest:
        short = {part: drop_long(rows, longest) for part, rows in parts.items()}
        counts["too_long"] = sum(len(parts[part]) - len(rows) for part, rows in short.items())
        parts = short
    for part in SPLITS:
        if part == "test":
            cleaned[part], taken = drop_empty(parts[part])
        else:
            cleaned[part], taken = clean_train(parts[part], task)
        counts = {rule: count + taken.get(rule, 0) for rule, count in counts.items()}
    return cleaned, counts


def _drop_leaks(tables: Tables, report: Report, *, tasks: dict[str, Task], keep: bool) -> pd.DataFrame:
    """Take leaking rows out of train and dev in place, unless they are kept; return them."""
    tests = {name: parts["test"] for name, parts in tables.items() if tasks[name].evaluates}
    found = []
    for name, parts in tables.items():
        leaks = find_leaks(pd.concat([parts["train"], parts["dev"]]), tests)
        found.append(leaks)
        report[name]["leakage"] = {kind: int((leaks["kind"] == kind).sum()) for kind in KINDS}
        if not keep:
            for part in ("train", "dev"):
                parts[part] = parts[part][~parts[part]["item"].isin(leaks["item"])]
    return pd.concat(found)


def _pick_dev(
    tables: Tables, report: Report, *, tasks: dict[str, Task], config: PrepareConfig, leaks: pd.DataFrame
) -> None:
    """Fill dev in place, from the source's own dev files or else from train, and clear train of it.

    No dev row gives a test row away, also where leaking rows are kept for training: what is chosen on dev
    would be chosen on test.
    """
    for name, parts in tables.items():
        pool = parts["dev"] if len(parts["dev"]) else parts["train"]
        pool = pool[~pool["item"].isin(leaks["item"])]
        at_most = min(config.dev_rows, int(config.dev_share * len(parts["train"])))
        parts["dev"] = pick_dev(pool, at_most=at_most if tasks[name].evaluates else 0, seed=config.seed)
    clusters = {cluster for parts in tables.values() for cluster in parts["dev"]["cluster"]}
    for name, parts in tables.items():
        left = without_clusters(parts["train"], clusters)
        of_its_own = int(parts["train"]["item"].isin(parts["dev"]["item"]).sum())
        report[name]["leakage"]["dev"] = len(parts["train"]) - len(left) - of_its_own
        parts["train"] = left


def _facts(task: Task, study: StudyConfig) -> dict[str, Any]:
    """What later stages must know of a task; whether it trains and evaluates is the study's choice too."""
    return {
        "labels": None if task.labels is None else list(task.labels),
        "kind": task.kind,
        "max_new_tokens": task.max_new_tokens,
        "metric": task.metric,
        "trains": task.trains and task.name in (*study.tasks, FILLER),
        "evaluates": task.evaluates and task.name in study.evaluations,
    }
