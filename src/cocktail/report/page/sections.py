"""What stands where on the page, and what is said of it. Tables that no section names come last, by name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """One section: its text, then its figures, then its tables, each by file name without ending.

    Attributes:
        figures: drawn once a model, as ``<name>_<model>.svg``.
    """

    id: str
    title: str
    lead: str
    figures: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()


@dataclass(frozen=True)
class Caption:
    """A figure's title, and what it shows for who does not see it."""

    title: str
    description: str


FIGURES = {
    "bars": Caption(
        "Accuracy of the untuned base, the single task and the mixtures",
        "Groups of bars, one group a task: untuned base, single task, mixture chosen on dev, all sources and "
        "the single task with as many steps, with intervals; a dotted line shows what a blind guess gives. "
        "The numbers stand in the table of accuracies.",
    ),
    "transfer": Caption(
        "What a pair changes against the single task",
        "A map: a row for each test task, a column for each added source, in each cell the change in points. "
        "The numbers stand in the table of pairwise transfer.",
    ),
    "leave_one_out": Caption(
        "What a source gives: all sources minus all without it",
        "A map: a row for each test task, a column for each source left out, in each cell the difference in "
        "points. The numbers stand in the table of leaving one out.",
    ),
    "loss": Caption(
        "Training loss of the single tasks and of all sources",
        "One falling line for each run over the share of its optimiser steps. The last loss of each run "
        "stands in the table of runs.",
    ),
    "pretraining": Caption(
        "Pretraining loss of the base",
        "A falling line: the loss in nats a token over the tokens read. Its end stands in the table of "
        "pretraining.",
    ),
    "budget": Caption(
        "Expected best of k tries: tuned singles and mixtures",
        "For each target two lines over the number of tries k: the expected test accuracy of the best of k "
        "tuned single tasks and of the best of k mixtures, each chosen on dev.",
    ),
    "advice_curve": Caption(
        "Regret of the advice after k explored runs",
        "Over the number of explored runs k, points below the best mixture: a line for runs picked as the "
        "most telling ones, a line with a band for random order, and level lines for always all sources, "
        "always the single task and the best measured mixture. The numbers stand in the table of the curve.",
    ),
    "winners_curse": Caption(
        "Winner's curse: picked on test against picked on dev",
        "For each task the gain over the single task that picking the mixture on test would have claimed, "
        "and the gain of the mixture picked on dev. The numbers stand in the table of the winner's curse.",
    ),
}

FROM_CLAIMS = {"verdicts", "verdict_rows"}  # tables of what the page shows from claims.json itself

RESULTS = (
    Section(
        "accuracy",
        "Accuracy",
        "Strict accuracy on test. Where a task was confirmed, the numbers are means over fresh seeds; "
        "elsewhere they come from one explored seed and prove nothing.",
        figures=("bars",),
        tables=("main", "published", "contrasts", "effects", "scores", "base"),
    ),
    Section(
        "transfer",
        "Which source helps which task",
        "Each cell compares a pair of sources with the task alone, one seed each: a map to guess from.",
        figures=("transfer",),
        tables=("transfer",),
    ),
    Section(
        "leave-one-out",
        "What each source gives to the whole",
        "Each cell compares all sources with all but one, one seed each.",
        figures=("leave_one_out",),
        tables=("leave_one_out",),
    ),
    Section(
        "winners-curse",
        "The winner's curse",
        "The paper picked the best of many mixtures on the test set. Even among equal mixtures the best "
        "looks better by chance. Here is what that would have claimed, beside the mixture picked on dev.",
        figures=("winners_curse",),
        tables=("winners_curse",),
    ),
    Section(
        "budget",
        "The same number of tries",
        "Who tries many mixtures has many chances. A fair opponent tunes the single task as often.",
        figures=("budget",),
        tables=("budget",),
    ),
    Section(
        "advice",
        "Which tasks to mix",
        "A model fitted on base, singles and pairs predicts mixtures that it has not seen. Its record on "
        "them comes first; where it does not beat simple rules there is no advice. The curve tells how many "
        "explored runs such advice needs, and whether it pays to choose them.",
        figures=("advice_curve",),
        tables=("advice", "advice_curve"),
    ),
    Section(
        "agreement",
        "Does the reading of answers matter?",
        "A model may know a label and not write it. Label decoding asks for the label only; the free answer "
        "must be readable, too. Where a judge model read free text, its agreement with the rules is shown.",
        tables=("label_agreement", "judge_agreement", "judge_scores"),
    ),
)

SOURCES = (
    Section(
        "data",
        "Data",
        "Every source with its licence, and what became of its rows: quarantine holds rows that the task "
        "could not read, leaking rows repeat a test row or share its filing page.",
        tables=("data",),
    ),
    Section(
        "base",
        "Bases made from scratch",
        "What they read before any task, and how far they copy a list of words.",
        figures=("pretraining",),
        tables=("pretraining",),
    ),
    Section(
        "mixtures",
        "Mixtures: asked and got",
        "A source that has fewer rows than asked makes another mixture; it shows.",
        tables=("mixtures",),
    ),
    Section(
        "runs",
        "Runs",
        "One line a run, from the receipt that it left. Other tables and the claims link here.",
        figures=("loss",),
        tables=("runs",),
    ),
)
