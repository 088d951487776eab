"""What is read of a study: advice, cards, tables, progress, the rule of verdicts."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cocktail.cli.command import CONF, REPORTS, command, current_study, option


@command(
    option("--target", required=True, help="an evaluated task, a source or not"),
    option("--next", type=int, default=0, help="how many runs to name that would tell most"),
    option("--model", default="", help="needed where several models were trained"),
    option("--study", default="", help="a recorded study; default: the fresh scores", exclusive=True),
    option("--scores", type=Path, default=Path("artifacts/scores"), help="of stage score", exclusive=True),
)
def advise(arguments: argparse.Namespace) -> None:
    """Which tasks to mix for a target: first how such advice did on unseen mixtures, then the advice."""
    from cocktail.analysis.advice.heldout import held_out_record
    from cocktail.analysis.advice.scores import fresh, recorded, target_scores
    from cocktail.analysis.advice.show import advice_text
    from cocktail.analysis.advice.standing import following, standing_lines
    from cocktail.claims.rows import read_verdicts
    from cocktail.errors import RecordError
    from cocktail.report.methods import record_folder
    from cocktail.report.terminal import tasks_told
    from cocktail.studies.planning.here import next_text

    folder = record_folder(REPORTS / "studies", arguments.study) if arguments.study else REPORTS
    if arguments.study:
        outcomes = recorded(folder)
    else:
        outcomes = fresh(arguments.scores, Path("data/prepared"), current_study().study.tasks)
    target, tasks = arguments.target, outcomes.tasks
    scores = target_scores(outcomes, target=target, model=arguments.model)
    shown = f"--study {arguments.study} " if arguments.study else ""
    source = f"study {arguments.study}" if arguments.study else f"scores in {arguments.scores}"
    above = scores.above_guess
    try:
        record = held_out_record(scores.fitted, scores.test, tasks, target=target, above_guess=above)
        print(advice_text(record, tasks, split=scores.split, where=f"{source}, model {scores.model}"))
        advises = not record.objections
    except RecordError as error:
        print(f"Advice for {target}, {source}, model {scores.model}: none ({error.what}).")
        advises = False
    if not advises:
        print("\n" + "\n".join(standing_lines(outcomes, target=target, model=arguments.model)))
    if count := arguments.next or (0 if advises else 3):
        runs = following(outcomes, target=target, model=arguments.model, count=count)
        study = None if arguments.study else current_study()
        print(next_text(runs, study, root=Path()))
    if (folder / "claims.json").is_file():
        verdicts = read_verdicts(folder / "claims.json")
        mine = arguments.study or verdicts.study == current_study().study.name
        if mine and target in tasks_told(verdicts):
            print(
                f"Against singles as long or as large, with fresh seeds: cocktail show {shown}--task {target}"
            )


@command(
    option("--every", type=float, default=10.0, help="seconds from one look to the next"),
    option("--once", action="store_true", help="one look, and no more"),
)
def watch(arguments: argparse.Namespace) -> None:
    """How far the running study is: runs done, loss, time left, GPUs; Ctrl-C ends the looking only."""
    import time

    from rich.live import Live
    from rich.text import Text

    from cocktail.studies.watch import watch_text

    study = current_study()
    if arguments.once:
        print(watch_text(Path(), study))
        return
    with Live(Text(watch_text(Path(), study)), auto_refresh=False) as live:
        while True:
            time.sleep(arguments.every)
            live.update(Text(watch_text(Path(), study)), refresh=True)


@command(
    option("run", help="a run id of the study, such as all or pair_fpb_finqa"),
    option("--model", default="", help="needed where several models have the run"),
    option("--out", type=Path, help="a folder for model/README.md and dataset/README.md"),
)
def card(arguments: argparse.Namespace) -> None:
    """Model card and dataset card of a run, in the Hub's format."""
    from cocktail.config.compose import departures
    from cocktail.report.cards import make_cards, write_cards
    from cocktail.report.run_facts import read_run

    study = current_study()
    changed = departures(study, CONF)
    facts = read_run(Path(), arguments.run, params=study, model=arguments.model)
    cards = make_cards(facts, params=study, changed=changed)
    if arguments.out is None:
        print("\n".join(cards.values()), end="")
    else:
        print("\n".join(str(path) for path in write_cards(cards, arguments.out)))


@command(
    option("--study", default="", help="a record of reports/studies; default: the study in params.yaml"),
    option("--claim", default="", help="id or number: all its rows; default: all headlines", exclusive=True),
    option("--task", default="", help="what was found of one task, such as your own", exclusive=True),
    option("--table", default="", help="a table of the report instead, such as main", exclusive=True),
)
def show(arguments: argparse.Namespace) -> None:
    """What a study found: verdict, effect with interval and reason, claim by claim; or one table."""
    from rich.console import Console

    from cocktail.claims.rows import read_verdicts, study_verdicts
    from cocktail.report.methods import record_folder
    from cocktail.report.table import named_table, to_markdown
    from cocktail.report.terminal import LOG_WIDTH, print_task, print_verdicts

    folder = record_folder(REPORTS / "studies", arguments.study) if arguments.study else REPORTS
    if arguments.table:
        print(to_markdown(named_table(folder / "tables", arguments.table)), end="")
        return
    if arguments.study:
        verdicts = read_verdicts(folder / "claims.json")
    else:
        verdicts = study_verdicts(folder / "claims.json", study=current_study().study.name)
    console = Console(width=None if sys.stdout.isatty() else LOG_WIDTH)
    if arguments.task:
        print_task(verdicts, console, task=arguments.task)
    else:
        print_verdicts(verdicts, console, claim=arguments.claim)


@command(
    option("old", type=Path, help="claims.json of the base"),
    option("new", type=Path, help="claims.json of the change"),
)
def verdicts_diff(arguments: argparse.Namespace) -> None:
    """Which verdicts differ between two claims.json, as Markdown for a review."""
    from cocktail.claims.rows import read_verdicts
    from cocktail.studies.verdict_changes import changes_markdown

    print(changes_markdown(read_verdicts(arguments.old), read_verdicts(arguments.new)), end="")


@command(
    option("--studies", type=int, default=1000, help="simulated studies of each design"),
    option("--seed", type=int, default=1),
    option("--processes", type=int, default=2, help="the numbers do not depend on it"),
    option("--study", default="", help="a recorded study: one design, of its size"),
)
def simulate(arguments: argparse.Namespace) -> None:
    """Test the rule of verdicts on simulated studies; writes reports/simulation/ (ten minutes)."""
    from cocktail.studies.exchange.crate import write_crate
    from cocktail.studies.simulation.designs import DESIGNS, recorded_design
    from cocktail.studies.simulation.study import simulate_designs

    study, designs = arguments.study, DESIGNS
    records = sorted(path.parent for path in (REPORTS / "studies").glob("*/items.parquet"))
    if study:
        records = [REPORTS / "studies" / study]
        designs = (recorded_design(records[0]),)
    out = REPORTS / "studies" / study / "simulation" if study else REPORTS / "simulation"
    result = simulate_designs(
        out,
        num_studies=arguments.studies,
        seed=arguments.seed,
        designs=designs,
        study=study,
        records=records,
        processes=arguments.processes,
    )
    if study:
        write_crate(records[0])  # it lists what the record holds
    broken = sum("no" in row["held"].values() for row in result["rows"])
    print(f"{out}/table.md: {len(result['rows'])} rows, {broken} with a bound that is not held")
