"""The rows of comparison.json and effects.json, column by column: all that tables, page and metrics read.

Shares are 0..1 unless a column is said to be in points (0..100). ``None`` is what could not be measured.
"""

from __future__ import annotations

from typing import Literal, TypedDict


def points(share: float, *, digits: int = 4) -> float:
    """Return 100 times a share, rounded."""
    return round(100 * share, digits)


class Scores(TypedDict):
    """An arm's scores on a task: means over its runs.

    Columns:
        accuracy_strict, accuracy_lenient, macro_f1, weighted_f1: by reading; knowledge_accuracy: by label
            decoding, None where the task has no labels.
        low, high: interval of the strict accuracy; scope: what it is about (``Effect.scope``).
        invalid_strict_share, invalid_lenient_share, empty_share, limit_share: answers that cannot be read,
            have no text, or met the limit of tokens.
        seed_sd: standard deviation of the strict accuracy over runs; None with one run.
        runs: ids.
    """

    accuracy_strict: float
    accuracy_lenient: float | None
    macro_f1: float | None
    weighted_f1: float | None
    knowledge_accuracy: float | None
    invalid_strict_share: float
    invalid_lenient_share: float
    empty_share: float
    limit_share: float
    low: float
    high: float
    scope: str
    n_items: int
    n_clusters: int
    n_seeds: int
    seed_sd: float | None
    runs: list[str]


class ArmRow(Scores):
    """One arm (base, single, chosen, all, a control) on one task in one stage.

    Columns:
        mixture: of its runs; guess: accuracy of the better blind guess; flag: floor, ceiling or "".
    """

    model: str
    task: str
    stage: str
    arm: str
    mixture: str
    guess: float
    flag: str


class EffectRow(TypedDict):
    """One confirmed difference on one target, read one way.

    Columns:
        chosen: the mixture chosen on dev; contrast: as "chosen-single"; flag: floor, ceiling or "".
        estimate, low, high, se, df, p, seed_share, scope: of :class:`cocktail.analysis.stats.crossed.Effect`.
        confidence: the level of the interval; treatment_runs, control_runs: ids.
    """

    flag: str
    model: str
    target: str
    chosen: str
    contrast: str
    reading: str
    confidence: float
    estimate: float
    low: float
    high: float
    se: float
    df: float
    p: float
    n_items: int
    n_clusters: int
    n_seeds: int
    scope: Literal["training", "these weights"]
    seed_share: float
    treatment_runs: list[str]
    control_runs: list[str]


class CellRow(TypedDict):
    """One cell of the explored grid: ``delta``, in points, is ``run`` minus ``against`` on ``task``."""

    model: str
    task: str
    delta: float | None
    run: str
    against: str


class TransferRow(CellRow):
    """What adding ``partner`` to the single task changes."""

    partner: str


class LeaveOneOutRow(CellRow):
    """What ``left_out`` gives to all sources."""

    left_out: str


class SnoopingRow(TypedDict):
    """Whether any of many mixtures beats the single task, with all of them looked at.

    Columns:
        p_any_better: of "none is better"; None with too few clusters.
        better: the mixtures that are called better.
    """

    n_items: int
    n_clusters: int
    single: str
    p_any_better: float | None
    better: list[str]


class CurseRow(SnoopingRow):
    """What choosing on test would have promised, and what choosing on dev is worth; gains in points.

    Columns:
        candidates: mixtures looked at; curse: the difference of both gains.
    """

    model: str
    task: str
    chosen_on_dev: str
    chosen_on_test: str
    candidates: int
    gain_on_dev_choice: float
    gain_on_test_choice: float
    curse: float


class BudgetRow(TypedDict):
    """The best of ``k`` tries of an arm (singles, mixtures): test accuracy in points of the try picked."""

    model: str
    task: str
    arm: str
    k: int
    picked_on_dev: float
    picked_on_test: float
    n_items: int
    runs: list[str]


class AdviceRow(TypedDict):
    """How the model of gains ranks mixtures that it was not fitted on; regrets in points below the best.

    Columns:
        fitted_on: dev or test; candidates: mixtures that were ranked; p, p_adjusted: of the rank correlation.
        pick, single: run ids; verdict: whether its advice is to be followed, or why it is not.
    """

    model: str
    task: str
    fitted_on: str
    candidates: int
    spearman: float | None
    kendall: float | None
    p: float | None
    p_adjusted: float | None
    pick: str
    regret: float | None
    regret_all: float | None
    single: str
    regret_single: float | None
    verdict: str


class AdviceCurveRow(TypedDict):
    """Regret of the advice after k = 0, 1, ... explored runs: lists in the order of k; in points.

    Columns:
        task: a target, or "mean": over those with ``live``, that is, not at the floor; fitted_on: dev, test.
        picked: runs in the order of ``order``, which ``cocktail advise --next`` picks; advised: run ids.
        random, low, high: mean, 10th and 90th percentile of ``orders`` random orders.
        always_all, always_single: of rules that need no run; best_fitted: of the best measured, all known.
    """

    model: str
    task: str
    live: bool
    fitted_on: str
    picked: list[float]
    orders: int
    random: list[float]
    low: list[float]
    high: list[float]
    always_all: float
    always_single: float
    best_fitted: float
    order: list[str]
    advised: list[str]


class Agreement(TypedDict):
    """Free answers held against label decoding.

    Columns:
        rows: decoded test rows; of these invalid, valid, agree: free answers unreadable, readable, the same.
        share: agree of valid, in points; flag: where it is too low.
        lowest_share, lowest_runs: the worst runs.
    """

    runs: int
    rows: int
    invalid: int
    valid: int
    agree: int
    share: float | None
    flag: str
    lowest_share: float | None
    lowest_runs: list[str]


class AgreementRow(Agreement):
    """An agreement on a task, or on all of them (``task`` "sum")."""

    model: str
    task: str


class Comparison(TypedDict):
    """The content of comparison.json."""

    study: str
    arms: list[ArmRow]
    transfer: list[TransferRow]
    leave_one_out: list[LeaveOneOutRow]
    curse: list[CurseRow]
    budget: list[BudgetRow]
    advice: list[AdviceRow]
    advice_curve: list[AdviceCurveRow]
    label_agreement: list[AgreementRow]
