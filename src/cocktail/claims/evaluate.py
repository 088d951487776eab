"""Verdicts for stage ``analyze``: each claim of claims.yaml against a study's scores, one verdict a row.

A row is drafted first (effect, p, or why nothing is tested); then the p-values of each model's primary rows
are adjusted together, and the rule of :mod:`cocktail.claims.verdict` is applied.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import track

from cocktail.analysis.scores import ModelScores, read_scores
from cocktail.analysis.stats.error_control import holm, smallest_detectable
from cocktail.claims.cells import cell_drafts
from cocktail.claims.contrast import contrast_drafts
from cocktail.claims.draft import Draft, row_of
from cocktail.claims.reasons import needs
from cocktail.claims.rows import ClaimVerdicts, VerdictRow, Verdicts
from cocktail.claims.schema import CellsTest, Claim, ConsistencyTest, ContrastTest, read_claims
from cocktail.claims.verdict import RULES, find, find_consistency
from cocktail.config import LockState, Params
from cocktail.data.table import read_split
from cocktail.errors import RecordError
from cocktail.files.records import write_json
from cocktail.scoring.answers import Evaluation, read_evaluations

ALL_MODELS = "all models"


def evaluate_claims(
    prepared: Path,
    scores: Path,
    selected: Path,
    claims: Path,
    out: Path,
    *,
    params: Params,
    note: str,
    lock: LockState,
) -> Verdicts:
    """Write claims.json below ``out``; return its content.

    Raises:
        ConfigError: claims.yaml is missing or wrong.
        RecordError: scores are missing or are not those of the study in params; dev and test are the same.
    """
    stated = read_claims(claims)
    refuse_same_splits(prepared, params)
    models = read_scores(scores, selected, params=params)
    rows = judged_rows(stated, models, read_evaluations(prepared), params=params)
    for claim in stated:
        if isinstance(claim.test, ConsistencyTest):
            rows[claim.id] = [consistency_row(claim.test, rows[claim.test.of], models)]
    result = Verdicts(
        study=params.study.name,
        tier=params.study.tier,
        rule=max(RULES),
        lock=lock,
        note=note,
        confidence=params.compare.confidence,
        claims=[
            ClaimVerdicts.model_validate(
                dict(claim) | {"source": claim.source.told(), "verdicts": rows[claim.id]}
            )
            for claim in stated
        ],
    )
    write_json(out / "claims.json", result.model_dump(mode="json"))
    return result


def refuse_same_splits(prepared: Path, params: Params) -> None:
    """Refuse a task whose dev and test rows are the same: there, choosing would see the test.

    Raises:
        RecordError: names the tasks.
    """
    same = []
    for task in params.study.evaluations:
        dev, test = (
            set(map(tuple, read_split(prepared, task, split)[["instruction", "input"]].to_numpy()))
            for split in ("dev", "test")
        )
        same += [task] if dev and dev == test else []
    if same:
        raise RecordError(
            f"dev and test are the same rows for {', '.join(same)}: what is chosen on dev is chosen on test",
            where=str(prepared),
            fix="name different files under fetch.sources, then dvc repro",
        )


def judged_rows(
    claims: Sequence[Claim],
    models: Sequence[ModelScores],
    evaluations: Mapping[str, Evaluation],
    *,
    params: Params,
) -> dict[str, list[VerdictRow]]:
    """Return the rows of every claim that is tested model by model; an untuned model is only a reference."""
    references = [scores for scores in models if params.model(scores.model).untuned]
    tuned = [scores for scores in models if not params.model(scores.model).untuned]
    pairs = [(claim, scores) for claim in claims for scores in tuned]
    console = Console(stderr=True)
    bar = track(pairs, "claims", console=console, disable=not console.is_terminal)
    drafts = [
        (claim, draft)
        for claim, scores in bar
        for draft in _drafts(claim, scores, references, evaluations, params)
    ]
    families: dict[str, list[float]] = defaultdict(list)
    for _, draft in drafts:
        if draft.primary and draft.p is not None:
            families[draft.model].append(draft.p)
    adjusted = {model: iter(holm(p_values)) for model, p_values in families.items()}
    rows: dict[str, list[VerdictRow]] = {claim.id: [] for claim in claims}
    for claim, draft in drafts:
        size = 1
        if draft.primary and draft.p is not None:
            size = len(families[draft.model])
            draft = replace(draft, p_adjusted=next(adjusted[draft.model]))
        rows[claim.id].append(_row(claim, draft, params.compare.confidence, family_size=size))
    return rows


def _drafts(
    claim: Claim,
    scores: ModelScores,
    references: Sequence[ModelScores],
    evaluations: Mapping[str, Evaluation],
    params: Params,
) -> list[Draft]:
    if isinstance(claim.test, ContrastTest):
        return contrast_drafts(claim, claim.test, scores, references, evaluations, params)
    return cell_drafts(claim.test, scores, params) if isinstance(claim.test, CellsTest) else []


def _row(claim: Claim, draft: Draft, confidence: float, *, family_size: int) -> VerdictRow:
    """Judge one draft; what a primary row detects is told at the level that Holm is sure to grant it."""
    effect = draft.effect
    if draft.blocked or effect is None:
        return row_of(draft, None, detectable=None)
    finding = draft.finding or find(
        100 * effect.low,
        100 * effect.high,
        margin=claim.margin,
        confidence=confidence,
        p_adjusted=draft.p_adjusted,
        non_superiority=isinstance(claim.test, ContrastTest) and claim.test.kind == "non_superiority",
        partial=draft.partial,
    )
    return row_of(
        draft, finding, detectable=smallest_detectable(effect, alpha=(1 - confidence) / family_size)
    )


def consistency_row(
    test: ConsistencyTest, rows: Sequence[VerdictRow], models: Sequence[ModelScores]
) -> VerdictRow:
    """Return the one row of a claim that counts another claim's headline verdicts over the base models."""
    heads: dict[str, VerdictRow] = {}
    for row in rows:
        if row.headline:
            heads.setdefault(row.model, row)
    tested = [row.verdict for row in heads.values() if row.verdict != "not tested"]
    num_runs = sum(bool(run.sources) for scores in models for run in (*scores.explored, *scores.confirmed))
    lacking = [
        needs(f"{least} {what}, has {found}")
        for what, least, found in (
            ("models that are tested", test.min_models, len(tested)),
            ("training runs", test.min_runs, num_runs),
        )
        if found < least
    ]
    draft = Draft(model=ALL_MODELS, scope=test.of, reading="strict", headline=True, blocked=tuple(lacking))
    return row_of(draft, None if lacking else find_consistency(tested), detectable=None)
