"""What the cards of a run say, from its receipt, its mixture, the raw receipts and the scores."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cocktail.config import ModelConfig, Params
from cocktail.data.grid import mixture_of
from cocktail.errors import RecordError, near
from cocktail.files.records import digest_file, read_json, read_table
from cocktail.scoring.answers import STAGES

_NON_COMMERCIAL = re.compile(r"\bNC\b|non-?commercial", re.IGNORECASE)


@dataclass(frozen=True)
class SourceFacts:
    """One source of a mixture.

    Attributes:
        asked: rows that the mixture's plan asked for; None where the run has no plan of its own.
        got: rows that came; ``kept`` of them were trained on, ``cut`` shortened, ``dropped`` left out.
    """

    name: str
    repo: str
    revision: str
    licence: str
    status: str
    asked: int | None
    got: int
    kept: int
    cut: int
    dropped: int

    @property
    def non_commercial(self) -> bool:
        """Whether the licence, as far as it is known, forbids commercial use."""
        return bool(_NON_COMMERCIAL.search(self.licence))


@dataclass(frozen=True)
class RunFacts:
    """One run of one model.

    Attributes:
        receipt: as the run left it; ``receipt_digest`` is its file's sha256.
        scores: test scores, one row a task: task, n, strict, lenient, invalid (points).
    """

    run: str
    model: str
    stage: str
    config: ModelConfig
    receipt: Mapping[str, Any]
    receipt_digest: str
    sources: tuple[SourceFacts, ...]
    scores: pd.DataFrame

    @property
    def trained(self) -> bool:
        """Whether anything was tuned: the untuned base and external models were not."""
        return bool(self.receipt["trainable_parameters"])

    @property
    def statuses(self) -> dict[str, list[str]]:
        """The sources of each data status: original, partial, generated and so on."""
        found: dict[str, list[str]] = {}
        for source in self.sources:
            found.setdefault(source.status, []).append(source.name)
        return found


def read_run(root: Path, run: str, *, params: Params, model: str = "") -> RunFacts:
    """Return the facts of a run of the study whose outputs lie below ``root``.

    Args:
        model: needed only where several models have this run.

    Raises:
        ConfigError: the study has no such model.
        RecordError: no model of the study, or more than one, has the run; or an output is missing.
    """
    name, stage = _find(root / "artifacts/answers", run, params=params, model=model)
    path = root / "artifacts/answers" / name / stage / f"{run}.json"
    receipt = read_json(path)
    return RunFacts(
        run=run,
        model=name,
        stage=stage,
        config=params.model(name),
        receipt=receipt,
        receipt_digest=digest_file(path),
        sources=_sources(root, receipt, params=params),
        scores=_scores(root / "artifacts/scores/summary.parquet", model=name, stage=stage, run=run),
    )


def _find(answers: Path, run: str, *, params: Params, model: str) -> tuple[str, str]:
    if model:
        params.model(model)
    models = [model] if model else list(params.models)
    listed = {
        (name, stage): read_json(answers / name / stage / "index.json")["runs"]
        for name in models
        for stage in STAGES
        if (answers / name / stage).is_dir()
    }
    if not listed:
        raise RecordError("the study has no answers here", where=str(answers), fix="dvc repro, or dvc pull")
    found = [place for place, runs in listed.items() if run in runs]
    if not found:
        known = {one for runs in listed.values() for one in runs}
        raise RecordError(f"the study has no run {run!r}{near(run, known)}", where=str(answers))
    if len(found) > 1:
        names = ", ".join(name for name, _ in found)
        raise RecordError(f"run {run} is of several models: {names}", fix=f"add --model {found[0][0]}")
    return found[0]


def _sources(root: Path, receipt: Mapping[str, Any], *, params: Params) -> tuple[SourceFacts, ...]:
    mixture = root / f"artifacts/mixtures/{mixture_of(receipt['run'], receipt['seed'])}.json"
    # matched runs have no plan of their own: they take the rows of the single task, and filler
    asked: Mapping[str, int] = read_json(mixture)["asked"] if mixture.is_file() else {}
    found = []
    for name, rows in receipt["rows"].items():
        raw = root / f"data/raw/{name}/receipt.json"
        facts = read_json(raw) if raw.is_file() else {}  # filler may be part of another source
        config = params.fetch.sources.get(name) or params.fetch.sources[params.prepare.filler_from]
        found.append(
            SourceFacts(
                name=name,
                repo=facts.get("repo") or config.repo,
                revision=facts.get("revision") or "",
                licence=facts.get("licence") or config.licence,
                status=facts.get("status") or config.status,
                asked=asked.get(name),
                got=rows["in"],
                kept=rows["kept"],
                cut=rows["cut"],
                dropped=rows["dropped"],
            )
        )
    return tuple(found)


def _scores(path: Path, *, model: str, stage: str, run: str) -> pd.DataFrame:
    mine = read_table(path).query("model == @model and stage == @stage and run == @run and split == 'test'")
    return pd.DataFrame(
        {
            "task": mine["task"],
            "n": mine["n"],
            "strict": 100 * mine["accuracy_strict"],
            "lenient": 100 * mine["accuracy_lenient"],
            "INVALID strict": 100 * mine["invalid_strict"] / mine["n"],
        }
    ).reset_index(drop=True)
