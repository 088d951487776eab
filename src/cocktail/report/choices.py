"""Tables of choices: winner's curse, budget curve, advice with its held-out record and its curve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from cocktail.report.table import Table, p_text

CURSE = (
    "p: of “no mixture is better than the single”, all of them looked at on test (Hansen's SPA on clusters "
    "of items; these weights, one seed); better: how many StepM then calls better, at a family-wise 5 %."
)
BUDGET = (
    "Expected test score of the try that is picked among k tries, drawn without replacement: tuned singles "
    "(with the single as the paper trains it) and the mixtures that contain the task, at equal k. Picked on "
    "test: what choosing by the test score would have promised."
)
ADVICE = (
    "A model of gain, fitted on base, singles and pairs (accuracy on the split “fitted on”), ranks the "
    "leave-one-out and all runs, which it never saw. Rank correlations and regrets (points below the best) "
    "are on test; p: one-sided, of a ranking no better than chance; adjusted: over the model's targets "
    "(Holm). It advises where the adjusted p is at most 0.05 and its pick beats both rules, always all and "
    "always single. floor: neither the single nor a mixture that it ranks beats a blind guess."
)

ADVICE_CURVE = (
    "Regret: test score of the best mixture with the target (or the single), minus that of the advised one; "
    "mean over targets that are not at the floor. The advice knows the untuned base and k runs (scores on "
    "the split “fitted on”), and names the mixture that the model of gain predicts to be best; with k = 0 it "
    "names all. picked: runs in the order of `cocktail advise --next`; random: mean of {orders} random "
    "orders, with the 10th and 90th percentile. best measured: the best on “fitted on”, all runs known. The "
    "best on test is the highest of many noisy scores, so every regret is somewhat too high. Last, the "
    "regret of each target, picked."
)

MEAN = "mean"  # in place of a target


def curse_table(comparison: Mapping[str, Any], *, note: str) -> Table:
    """What picking the mixture on test would have claimed, against picking on dev."""
    columns = ["model", "task", "n_items", "n_clusters", "candidates", "chosen_on_dev", "chosen_on_test"]
    columns += ["gain_on_dev_choice", "gain_on_test_choice", "curse", "p", "better", "better_runs", "single"]
    rows = [
        {**row, "p": p_text(row["p_any_better"]), "better": len(row["better"]), "better_runs": row["better"]}
        for row in comparison["curse"]
    ]
    title = "Winner's curse: gain over the single task, mixture picked on dev or on test (points)"
    return Table(
        name="winners_curse",
        title=title,
        note=f"{note} {CURSE}",
        frame=pd.DataFrame(rows, columns=columns),
        hidden=("better_runs", "single"),
    )


def budget_table(comparison: Mapping[str, Any], *, note: str) -> Table:
    """Mixtures and tuned singles at equal k, picked on dev and on test."""
    cells = {(row["model"], row["task"], row["k"], row["arm"]): row for row in comparison["budget"]}
    rows = []
    for (model, task, k, arm), single in cells.items():
        mixture = cells.get((model, task, k, "mixtures"))
        if arm == "singles" and mixture:
            rows.append(
                {
                    "model": model,
                    "task": task,
                    "n_items": single["n_items"],
                    "k": k,
                    "singles": single["picked_on_dev"],
                    "mixtures": mixture["picked_on_dev"],
                    "difference": round(mixture["picked_on_dev"] - single["picked_on_dev"], 4),
                    "singles, picked on test": single["picked_on_test"],
                    "mixtures, picked on test": mixture["picked_on_test"],
                    "single_runs": single["runs"],
                    "mixture_runs": mixture["runs"],
                }
            )
    frame = pd.DataFrame(rows, columns=None if rows else ["model", "task", "k", "singles", "mixtures"])
    hidden = ("single_runs", "mixture_runs") if rows else ()
    title = "The best of k tries: tuned singles against mixtures (accuracy on test, strict, points)"
    return Table(name="budget", title=title, note=f"{note} {BUDGET}", frame=frame, hidden=hidden)


def advice_table(comparison: Mapping[str, Any], *, note: str) -> Table:
    """The held-out record of the advice on every target, and whether there is any."""
    names = {
        "model": "model", "task": "target", "fitted_on": "fitted on", "candidates": "held out",
        "spearman": "Spearman", "kendall": "Kendall", "p": "p", "p_adjusted": "adjusted p",
        "pick": "its pick", "regret": "regret", "regret_all": "regret of all",
        "single": "single", "regret_single": "regret of single", "verdict": "verdict",
    }  # fmt: skip
    frame = pd.DataFrame(comparison["advice"], columns=list(names)).rename(columns=names)
    title = "Which tasks to mix: does advice beat simple rules on mixtures it never saw?"
    return Table(name="advice", title=title, note=f"{note} {ADVICE}", frame=frame, digits=2)


def advice_curve_table(comparison: Mapping[str, Any], *, note: str) -> Table:
    """What the advice costs after k explored runs: one row a k; the mean, then each target."""
    columns = ["model", "fitted on", "k", "picked", "random", "random 10 %", "random 90 %"]
    columns += ["always all", "always single", "best measured"]
    curves = comparison["advice_curve"]
    rows = []
    for mean in (row for row in curves if row["task"] == MEAN):
        targets = [row for row in curves if row["model"] == mean["model"] and row["task"] != MEAN]
        rules = [mean[name] for name in ("always_all", "always_single", "best_fitted")]
        known = zip(*(mean[name] for name in ("picked", "random", "low", "high")), strict=True)
        for k, regrets in enumerate(known):
            cells = zip(columns, (mean["model"], mean["fitted_on"], k, *regrets, *rules), strict=True)
            rows.append({**dict(cells), **{row["task"]: row["picked"][k] for row in targets}})
    frame = pd.DataFrame(rows, columns=None if rows else columns)
    orders = curves[0]["orders"] if curves else "some"
    title = "How good is the advice once k runs are explored? Regret on test (points)"
    told = f"{note} {ADVICE_CURVE.format(orders=orders)}"
    return Table(name="advice_curve", title=title, note=told, frame=frame)
