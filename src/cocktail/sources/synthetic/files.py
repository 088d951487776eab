"""Which raw files the generator makes, how many rows go into each, and writing them as the Hub has them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from cocktail.config import RawFile
from cocktail.errors import SourceError, near, unknown
from cocktail.files.records import fresh_file, write_table, write_text
from cocktail.sources.synthetic import (
    agreements,
    arithmetic,
    filing_questions,
    filler,
    headlines,
    instructions,
    knowledge,
    sentences,
    tweets,
)

_TRAIN, _TEST = "data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"
_BOTH = {_TRAIN: "train", _TEST: "test"}

LAYOUT: dict[str, dict[str, str]] = {
    "headline": _BOTH,
    "fpb": _BOTH,
    "fin_ner_cls": _BOTH,
    "finqa": {_TRAIN: "train", "data/valid-00000-of-00001.parquet": "dev", _TEST: "test"},
    "convfinqa": _BOTH,
    "twitter_topics": {"topic_train.csv": "train", "topic_valid.csv": "test"},
    "twitter_sa": {"sent_train.csv": "train", "sent_valid.csv": "test"},
    "orca_math": {_TRAIN: "train"},
    "open_orca": {"1M-GPT4-Augmented.parquet": "train"},
    "filler": {_TRAIN: "train"},
    "financebench": {"financebench_merged.jsonl": "test"},
    "knowledge": {
        f"{subject}/{part}-00000-of-00001.parquet": "test" if part == "test" else "dev"
        for subject in knowledge.SUBJECTS
        for part in ("dev", "validation", "test")
    },
    "gsm8k": {"main/test-00000-of-00001.parquet": "test"},
}
"""The files of each source with their split, at the paths that the Hub's repositories have."""

Rows = Sequence[Mapping[str, Any]]

_GENERATORS: dict[str, Callable[..., Rows]] = {
    "headline": headlines.rows,
    "fpb": sentences.rows,
    "fin_ner_cls": agreements.rows,
    "finqa": filing_questions.finqa_rows,
    "convfinqa": filing_questions.conversation_rows,
    "twitter_topics": tweets.topic_rows,
    "twitter_sa": tweets.sentiment_rows,
    "orca_math": arithmetic.orca_rows,
    "open_orca": instructions.orca_rows,
    "filler": filler.rows,
    "financebench": filing_questions.bench_rows,
    "gsm8k": arithmetic.gsm8k_rows,
}


def write_source(source: str, folder: Path, *, files: Sequence[RawFile], world: Mapping[str, int]) -> None:
    """Write the named raw files of one source below ``folder``.

    Args:
        source: key of the source.
        folder: where the files go, at the paths of the Hub.
        files: the files wanted; path and split must be in ``LAYOUT``.
        world: ``seed`` and, for each source and split, ``<source>_<split>``: rows over all its files of
            that split, dealt evenly.

    Raises:
        SourceError: unknown source, file or key of ``world``, or a number that is missing.
    """
    _check(source, files=files, world=world)
    for file in files:
        rows = raw_rows(source, file, world=world)
        target = folder / file.path
        if target.suffix == ".parquet":
            write_table(target, pd.DataFrame(rows))
        elif target.suffix == ".csv":
            with fresh_file(target) as draft:
                pd.DataFrame(rows).to_csv(draft, index=False, lineterminator="\n", encoding="utf-8")
        else:
            write_text(target, "".join(json.dumps(row) + "\n" for row in rows))


def world_keys() -> list[str]:
    """Return the keys that ``fetch.world`` may have."""
    return [
        "seed",
        *dict.fromkeys(f"{source}_{split}" for source, files in LAYOUT.items() for split in files.values()),
    ]


def raw_rows(source: str, file: RawFile, *, world: Mapping[str, int]) -> Rows:
    """Return the rows of one raw file; see :func:`write_source`."""
    siblings = [path for path, split in LAYOUT[source].items() if split == file.split]
    share, rest = divmod(world[f"{source}_{file.split}"], len(siblings))
    count = share + (siblings.index(file.path) < rest)
    if source == "knowledge":
        subject, part = file.path.split("/")
        return knowledge.rows(seed=world["seed"], subject=subject, part=part.split("-")[0], count=count)
    return _GENERATORS[source](seed=world["seed"], split=file.split, count=count)


def _check(source: str, *, files: Sequence[RawFile], world: Mapping[str, int]) -> None:
    if source not in LAYOUT:
        raise SourceError(f"no generated source {source!r}{near(source, LAYOUT)}", where="fetch.sources")
    for file in files:
        if LAYOUT[source].get(file.path) != file.split:
            raise SourceError(
                f"no generated {file.split} file {file.path!r} of {source}{near(file.path, LAYOUT[source])}",
                where=f"fetch.sources.{source}.files",
            )
    problems = unknown(world, world_keys(), "unknown key")
    needed = ["seed", *dict.fromkeys(f"{source}_{file.split}" for file in files)]
    problems += [f"key {key!r} is missing" for key in needed if key not in world]
    problems += [f"{key} must be positive, got {world[key]}" for key in needed[1:] if world.get(key, 1) < 1]
    if problems:
        raise SourceError(
            "; ".join(problems), where="fetch.world", fix="conf/study/ of the study in params.yaml"
        )
