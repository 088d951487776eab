"""The tables of verdicts, from claims.json and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from cocktail.claims.rows import ClaimVerdicts, VerdictRow, Verdicts
from cocktail.files.text import with_interval
from cocktail.report.table import Table, p_text

RULE = (
    "supported: the interval lies above zero and reaches the margin; contradicted: the same below zero; "
    "negligible: to one side of zero, but inside the margin; not supported: around zero, inside the margin; "
    "under-powered: none of these; “not better” is supported below the margin. Primary rows need a "
    "Holm-adjusted p as well. collapsed: runs of either arm, on a task, that fell below the untuned model or "
    "are INVALID in one answer of five. detectable: the true effect that the test finds in at least 80 % "
    "of studies (reports/simulation)."
)
LOGPROB = (
    "reading logprob, of what is not trained on: the mean log-probability a token of the reference answer, "
    "in hundredths of a nat; one is about one per cent of its likelihood. It moves where accuracy is at the "
    "floor."
)
COLUMNS = (
    *("claim", "model", "on", "reading", "verdict", "reason", "effect", "adjusted p", "items", "clusters"),
    *("seeds", "collapsed", "detectable", "family", "statement", "source", "caveat"),
    *("treatment runs", "control runs"),
)


def verdict_tables(claims: Verdicts) -> list[Table]:
    """Return ``verdicts``, one row a claim and model, and ``verdict_rows``, every row but single cells."""
    every = [
        (claim, row)
        for claim in claims.claims
        for row in (claim.headlines() if claim.family == "exploratory" else claim.verdicts)
    ]
    level = f"{claims.confidence:.0%}"
    note = f"{claims.note} Effects in points with {level} intervals over seeds and items. {RULE}"
    note += f" {claims.standing}"
    hidden = ("collapsed", "family", "statement", "source", "caveat", "treatment runs", "control runs")
    return [
        Table(
            name="verdicts",
            title="Verdicts: one row a claim",
            note=note,
            frame=_frame(claims.headlines()),
            hidden=("reading", *hidden),
        ),
        Table(
            name="verdict_rows",
            title="Verdicts: all rows, the headline of each claim first",
            note=f"{note} {LOGPROB}",
            frame=_frame(every),
            hidden=hidden[1:],
        ),
    ]


def _frame(rows: Iterable[tuple[ClaimVerdicts, VerdictRow]]) -> pd.DataFrame:
    return pd.DataFrame([_cells(claim, row) for claim, row in rows], columns=COLUMNS)


def _cells(claim: ClaimVerdicts, row: VerdictRow) -> dict[str, Any]:
    return {
        "claim": f"{claim.number}. {claim.title}",
        "model": row.model,
        "on": row.on,
        "reading": row.reading,
        "verdict": row.verdict,
        "reason": row.reason,
        "effect": effect_text(row),
        "adjusted p": p_text(row.p_adjusted),
        "items": _count(row.n_items),
        "clusters": _count(row.n_clusters),
        "seeds": _count(row.n_seeds),
        "collapsed": _collapsed(row),
        "detectable": row.detectable,
        "family": claim.family,
        "statement": claim.statement,
        "source": claim.source,
        "caveat": claim.caveat,
        "treatment runs": _runs(row.model, row.treatment_model, row.treatment_runs),
        "control runs": _runs(row.model, row.control_model, row.control_runs),
    }


def _collapsed(row: VerdictRow) -> str:
    """The runs of treatment and control that collapsed, where seeds were compared."""
    return f"{row.treatment_collapsed}, {row.control_collapsed}" if row.n_seeds else ""


def _runs(judged: str, model: str, runs: Sequence[str]) -> list[str]:
    """The run ids; those of another model than the row's as model/run."""
    return [run if model == judged else f"{model}/{run}" for run in runs]


def effect_text(row: VerdictRow, *, missing: str = "") -> str:
    """Return effect and interval in points; ``missing`` where nothing was measured."""
    return with_interval(row.effect, row.low, row.high, about=row.interval, missing=missing)


def _count(value: int | None) -> int | str:
    return "" if value is None else value  # a column of numbers with gaps would turn into floats
