"""What ``cocktail new-task`` says: prompts, label counts, likely leakage, cost, what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from cocktail.config import FILLER, check_params
from cocktail.config.compose import compose
from cocktail.data.prepare import split_tasks
from cocktail.data.prompts import items_of, turns_of
from cocktail.data.refuse import refuse_taken
from cocktail.data.table import SPLITS
from cocktail.errors import DataError
from cocktail.studies.new_task.make import OWN, Made, all_or_none, load_own
from cocktail.studies.planning.here import estimate
from cocktail.studies.planning.study import plan_study

PROMPTS = 3


def tell(root: Path, made: Made) -> str:
    """Return what was made of the rows, in lines; a task that is refused here leaves nothing behind.

    Raises:
        DataError: a cleaning rule or the cluster takes most rows.
    """
    with all_or_none(made.files):
        parts = (_files(root, made), _prompts(root, made), _labels(made), _cost(root, made), _next(made))
        return "\n".join(line for part in parts for line in part)


def _files(root: Path, made: Made) -> Iterator[str]:
    columns = made.columns
    yield f"text: {columns.text}; label: {columns.label}; cluster: {columns.cluster or 'equal texts'}"
    if renamed := [f"{value} = {name}" for value, name in made.names.items() if value != name]:
        yield f"labels are called: {', '.join(renamed)}"
    yield "written: " + ", ".join(str(path.relative_to(root)) for path in made.files)


def _prompts(root: Path, made: Made) -> Iterator[str]:
    """Three prompts, then what cleaning and leakage take, with the rules that ``prepare`` has."""
    name = made.task.name
    params = check_params(compose(root / "conf", name), where=name, root=root)
    share = params.prepare.max_quarantine_share
    config = params.prepare.model_copy(update={"filler_from": FILLER})
    try:
        loaded = load_own(root / OWN / name, made.task, max_quarantine_share=share)
        prepared = split_tasks({name: loaded}, tasks={name: made.task}, config=config)
        refuse_taken(prepared.report, params)
    except DataError as error:  # where and how are said of files that are not there any more
        cure = error.fix.replace(f"src/cocktail/tasks/{name}.py: ", "")
        told = ", ".join(f"--{option} {column}" for option, column in asdict(made.columns).items() if column)
        fix = f"{cure}. Nothing was written; example() reads {told}"
        raise DataError(error.what, where="the rows of --data and --test", fix=fix) from None
    for number, item in enumerate(items_of(prepared.tables[name]["train"].head(PROMPTS)), start=1):
        yield f"--- prompt {number}, in the model's own chat template; trained answer: {item.answer}"
        yield turns_of(item)[-1]["content"]
        yield ""
    report = prepared.report[name]
    kept, cap = report["kept"], params.mix.caps[name]
    taken = {"unreadable, or no text": report["quarantined"], **report["cleaning"], **report["leakage"]}
    taken["shared with dev rows"] = taken.pop("dev")
    shown = [f"{rule.replace('_', ' ')} {count}" for rule, count in taken.items() if count]
    train, dev, test = (kept[split] for split in SPLITS)
    yield f"rows: {sum(report['rows_in'].values())} given; kept: {train} train, {dev} dev, {test} test"
    yield f"left out: {', '.join(shown) or 'none'}; stage prepare leaves out test rows of other tasks, too"
    yield (
        f"a mixture holds {min(cap, train)} of your {train} train rows and up to {cap} of each other task; "
        f"mix.caps in conf/study/{name}.yaml changes it"
    )


def _labels(made: Made) -> Iterator[str]:
    for split, rows in made.rows.items():
        counts = Counter(row[made.columns.label] for row in rows)
        shares = ", ".join(
            f"{name or 'none'} {count} ({count / len(rows):.0%})" for name, count in counts.most_common()
        )
        yield f"labels of {split}, as given: {shares}"


def _cost(root: Path, made: Made) -> Iterator[str]:
    try:
        yield estimate(plan_study(root / "conf", made.task.name, root=root), root)
    except DataError as error:
        yield f"the cost is not known: {error.what}"


def _next(made: Made) -> Iterator[str]:
    name = made.task.name
    yield f"dvc exp run -S study={name}        # scores, verdicts: reports/report.html"
    yield f"cocktail show --task {name}        # mixture against single task, with fresh seeds"
    yield f"cocktail advise --target {name}    # which tasks to mix"
