"""The advice in words and as a table row. The held-out record comes first: advice without it is a guess."""

from __future__ import annotations

from collections.abc import Sequence

from cocktail.analysis.advice.gain import run_name
from cocktail.analysis.advice.heldout import HeldOut
from cocktail.analysis.rows import AdviceRow


def advice_text(record: HeldOut, tasks: Sequence[str], *, split: str, where: str) -> str:
    """Return the held-out record of the model, then what it advises, or why it does not.

    Args:
        split: what the model was fitted on.
        where: which study and model the scores are of.
    """
    target, p = record.model.target, record.p_adjusted
    adjusted = "not adjusted for other targets" if p is None else f"adjusted {p:.3f}"
    kind = f"mixtures with {target}" if target in tasks else "mixtures"
    lines = [
        f"Target {target}, {where}. Fitted on base, singles and pairs (strict accuracy on {split}, points).",
        "",
        f"Held-out record: {len(record.candidates)} {kind} that the model never saw, on test",
        *_measured(record, tasks),
        f"  rank correlation: Spearman {_number(record.spearman)}, Kendall {_number(record.kendall)} "
        f"(one-sided p = {record.p:.3f}, {adjusted})",
        f"  regret (points below the best): its pick {run_name(record.pick, tasks)} {record.regret:.1f}, "
        f"always all {record.regret_all:.1f}, always {run_name(record.single, tasks)} "
        f"{record.regret_single:.1f}",
        "",
    ]
    if record.objections:
        return "\n".join([*lines, f"Advice for {target}: none ({'; '.join(record.objections)})."])
    gains = sorted(record.model.gains().items(), key=lambda one: -one[1])
    return "\n".join(
        [
            *lines,
            f"Advice for {target}: train {run_name(record.pick, tasks)} ({', '.join(record.pick)}).",
            "What a source is predicted to add (points, one seed):",
            *(f"  {source:<16} {gain:+6.1f}".replace("-", "−") for source, gain in gains),
        ]
    )


def advice_row(record: HeldOut, tasks: Sequence[str], *, split: str, model: str) -> AdviceRow:
    """Return the record as a row of the report's table ``advice``; regrets in points."""
    return {
        "model": model,
        "task": record.model.target,
        "fitted_on": split,
        "candidates": len(record.candidates),
        "spearman": _rounded(record.spearman),
        "kendall": _rounded(record.kendall),
        "p": _rounded(record.p),
        "p_adjusted": _rounded(record.p_adjusted),
        "pick": run_name(record.pick, tasks),
        "regret": _rounded(record.regret),
        "regret_all": _rounded(record.regret_all),
        "single": run_name(record.single, tasks),
        "regret_single": _rounded(record.regret_single),
        "verdict": record.verdict,
    }


def _measured(record: HeldOut, tasks: Sequence[str]) -> list[str]:
    names = [run_name(sources, tasks) for sources in record.candidates]
    order = sorted(range(len(names)), key=lambda place: -record.predicted[place])
    width = max(len(name) for name in names)
    lines = [f"  {'run':<{width}}  predicted  measured"]
    return lines + [
        f"  {names[place]:<{width}}  {record.predicted[place]:9.1f}  {record.measured[place]:8.1f}"
        for place in order
    ]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}".replace("-", "−")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
