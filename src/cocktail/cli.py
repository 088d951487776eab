"""The ``cocktail`` command: what a person does around ``dvc repro``."""

from __future__ import annotations

import argparse
from pathlib import Path

from cocktail.errors import CocktailError
from cocktail.stage import run_command

PARAMS, CONF, REPORTS = Path("params.yaml"), Path("conf"), Path("reports")
CLAIMS, BASES = Path("data/reference/claims.yaml"), Path("data/bases")


def params(arguments: argparse.Namespace) -> None:
    """Write params.yaml for a study."""
    from cocktail.claims.coverage import lacking
    from cocktail.claims.schema import read_claims
    from cocktail.config import check_params
    from cocktail.config.compose import compose, write_params

    composed = compose(CONF, arguments.study, arguments.override)
    found = check_params(composed, where=f"conf/ with study={arguments.study}")
    write_params(PARAMS, composed)
    print(f"{PARAMS} is now study {arguments.study}; `dvc repro` runs it")
    untested = {claim for claims in lacking(read_claims(CLAIMS), found).values() for claim in claims}
    if untested:
        print(f"{len(untested)} claims will not be tested on all their tasks; `cocktail plan` says why")


def schema(_: argparse.Namespace) -> None:
    """Renew conf/params.schema.json, by which an editor completes and checks params.yaml."""
    from cocktail.config import params_schema
    from cocktail.files.records import write_json

    write_json(CONF / "params.schema.json", params_schema())


def plan(arguments: argparse.Namespace) -> None:
    """What a study asks for before anything is downloaded: runs, rows, tokens, steps, hours, disk."""
    from rich.console import Console

    from cocktail.files.records import fresh_file
    from cocktail.studies.planning.checks import on_this_machine
    from cocktail.studies.planning.show import WIDTH, made_tables, plan_markdown, print_plan
    from cocktail.studies.planning.study import plan_study

    planned = plan_study(CONF, arguments.study, arguments.override, root=Path())
    files = {arguments.out: plan_markdown(planned)} if arguments.out else {}
    if arguments.made:
        files |= {arguments.made / name: text for name, text in made_tables(planned, Path()).items()}
    for path, text in files.items():
        with fresh_file(path) as draft:
            draft.write_text(text, encoding="utf-8")
    console = Console(width=WIDTH)
    print_plan(planned, console)
    console.print(on_this_machine(planned, Path()), highlight=False)


def verify(arguments: argparse.Namespace) -> None:
    """Compare the fresh reports with the record of the same study and method."""
    from cocktail.config import load_params
    from cocktail.studies.record import verify as compare_with_record

    print(compare_with_record(REPORTS, load_params(PARAMS)))


def record(arguments: argparse.Namespace) -> None:
    """Keep the finished study under reports/studies/."""
    from cocktail.config import load_params
    from cocktail.studies.record import record as keep

    print(f"recorded in {keep(REPORTS, load_params(PARAMS))}")


def lock(arguments: argparse.Namespace) -> None:
    """Fix claims, rule and params of the study in a file, to be committed before the first run."""
    from cocktail.config import load_params
    from cocktail.runs.lock import lock_path
    from cocktail.studies.lock_study import lock_study

    study = load_params(PARAMS)
    out = arguments.out or lock_path(REPORTS / "locks", study)
    pilots, renew = arguments.pilot, arguments.renew
    print(lock_study(Path(), study, claims=CLAIMS, out=out, pilots=pilots, renew=renew))


def keep_runs(arguments: argparse.Namespace) -> None:
    """Keep the finished runs of a study, as receipts and codes, in git: they need no training elsewhere."""
    from cocktail.config import load_params
    from cocktail.runs.kept import runs_folder
    from cocktail.studies.keep import keep_runs as keep

    study = load_params(PARAMS)
    kept = runs_folder(REPORTS / "studies", study)
    print(f"{keep(Path(), study, kept=kept)} finished runs are in {kept}")


def readme(arguments: argparse.Namespace) -> None:
    """Renew what is generated in README, docs/method.md and reports/studies/README.md, from records alone."""
    from cocktail.files.records import fresh_file
    from cocktail.report.readme import render_documents

    for name, text in render_documents(Path()).items():
        with fresh_file(Path(name)) as draft:
            draft.write_text(text, encoding="utf-8")


def refetch(arguments: argparse.Namespace) -> None:
    """Check the raw files against the digests of params.yaml and of their receipts."""
    from cocktail.config import load_params
    from cocktail.sources.fetch import verify_raw

    study = load_params(PARAMS)
    verify_raw(Path("data/raw"), study.fetch, study.sources())
    print("data/raw is what was expected")


def pretrain(arguments: argparse.Namespace) -> None:
    """Make the weights of a model from scratch anew, and put them where they are shipped."""
    from cocktail.config import load_params
    from cocktail.files.store import Store, store_root
    from cocktail.training.bases.scratch import ship_base

    name = arguments.model
    config = load_params(PARAMS).model(name)
    digest = ship_base(name, config, bases=BASES, store=Store(store_root()))
    same = "as shipped before" if digest == config.sha256 else f"other than models.{name}.sha256, mend it"
    print(f"{BASES / name}: weights {digest}, {same}")


def mend(arguments: argparse.Namespace) -> None:
    """Restore a dvc.lock that a kill left half written; one that is whole is left alone."""
    from cocktail.files.dvc_lock import mend as restore

    print(restore())


def fsck(arguments: argparse.Namespace) -> None:
    """Look at all that is kept: run store, DVC's cache, outputs, records; say what is sound."""
    from cocktail.files.store import store_root
    from cocktail.studies.fsck import fsck as look

    print(look(Path(), store_root(), mend=arguments.mend))


def replies(arguments: argparse.Namespace) -> None:
    """Take an endpoint's replies from another machine's outputs into the run store."""
    from cocktail.files.store import store_root
    from cocktail.inference.endpoint.replies import Replies

    for file in arguments.files:
        print(f"{file}: {Replies(store_root()).take(file)} replies are in {store_root()}")


def advise(arguments: argparse.Namespace) -> None:
    """Which tasks to mix for a target: first how such advice did on unseen mixtures, then the advice."""
    from cocktail.analysis.advice.heldout import held_out_record
    from cocktail.analysis.advice.scores import fresh, recorded, target_scores
    from cocktail.analysis.advice.show import advice_text
    from cocktail.analysis.advice.standing import following, standing_lines
    from cocktail.config import load_params
    from cocktail.errors import RecordError
    from cocktail.studies.advise_next import next_text

    if arguments.study:
        outcomes = recorded(REPORTS / "studies" / arguments.study)
    else:
        outcomes = fresh(arguments.scores, Path("data/prepared"), load_params(PARAMS).study.tasks)
    target, tasks = arguments.target, outcomes.tasks
    scores = target_scores(outcomes, target=target, model=arguments.model)
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
        study = None if arguments.study else load_params(PARAMS)
        print(next_text(runs, study, root=Path()))


def watch(arguments: argparse.Namespace) -> None:
    """How far the running study is: runs done, loss, time left, GPUs; Ctrl-C ends the looking only."""
    import time

    from rich.live import Live
    from rich.text import Text

    from cocktail.config import load_params
    from cocktail.studies.watch import watch_text

    study = load_params(PARAMS)
    if arguments.once:
        print(watch_text(Path(), study))
        return
    with Live(Text(watch_text(Path(), study)), auto_refresh=False) as live:
        while True:
            time.sleep(arguments.every)
            live.update(Text(watch_text(Path(), study)), refresh=True)


def new_task(arguments: argparse.Namespace) -> None:
    """From a file of one's own: task, source, golden file, study; shows prompts, counts and cost."""
    from cocktail.studies.new_task.columns import parse_names
    from cocktail.studies.new_task.read import read_given
    from cocktail.studies.new_task.show import make_and_tell
    from cocktail.studies.new_task.texts import Wanted

    wanted = Wanted(
        name=arguments.name,
        model=arguments.model,
        source=arguments.source,
        partners=tuple(filter(None, arguments.partners.split(","))),
        cap=arguments.cap,
        instruction=arguments.instruction,
        licence=arguments.licence,
    )
    asked = {name: getattr(arguments, name) for name in ("text", "label", "cluster")}
    given, names = read_given(arguments.data, arguments.test), parse_names(arguments.names)
    print(make_and_tell(Path(), given, wanted, asked=asked, names=names))


def export(arguments: argparse.Namespace) -> None:
    """Tables as LaTeX and CSV, of the fresh reports or of a recorded study."""
    from cocktail.report.export import export_tables

    study = REPORTS / "studies" / arguments.study if arguments.study else REPORTS
    print(f"{len(export_tables(study / 'tables', arguments.out))} files are in {arguments.out}")


def card(arguments: argparse.Namespace) -> None:
    """Model card and dataset card of a run, in the Hub's format."""
    from cocktail.config import load_params
    from cocktail.config.compose import compose, differences
    from cocktail.report.cards.facts import read_run
    from cocktail.report.cards.render import make_cards, write_cards

    study = load_params(PARAMS)
    changed = list(differences(study.model_dump(), compose(CONF, study.study.name)))
    facts = read_run(Path(), arguments.run, params=study, model=arguments.model)
    cards = make_cards(facts, params=study, changed=changed)
    if arguments.out is None:
        print("\n".join(cards.values()), end="")
    else:
        print("\n".join(str(path) for path in write_cards(cards, arguments.out)))


def verdicts_diff(arguments: argparse.Namespace) -> None:
    """Which verdicts differ between two claims.json, as Markdown for a review."""
    from cocktail.claims.changes import changes_markdown, read_verdicts

    print(changes_markdown(read_verdicts(arguments.old), read_verdicts(arguments.new)), end="")


def calibrate(arguments: argparse.Namespace) -> None:
    """Test the rule of verdicts on simulated studies; writes reports/calibration/ (ten minutes)."""
    from cocktail.studies.simulation.designs import DESIGNS
    from cocktail.studies.simulation.recorded import recorded_design
    from cocktail.studies.simulation.study import calibrate as simulate

    study, designs = arguments.study, DESIGNS
    records = sorted(path.parent for path in (REPORTS / "studies").glob("*/items.parquet"))
    if study:
        records = [REPORTS / "studies" / study]
        designs = (recorded_design(records[0]),)
    out = REPORTS / "studies" / study / "calibration" if study else REPORTS / "calibration"
    result = simulate(
        out,
        num_studies=arguments.studies,
        seed=arguments.seed,
        designs=designs,
        study=study,
        records=records,
        processes=arguments.processes,
    )
    broken = sum("no" in row["held"].values() for row in result["rows"])
    print(f"{out}/table.md: {len(result['rows'])} rows, {broken} with a bound that is not held")


def main() -> None:
    """Entry point; errors are one message and exit code 2."""
    parser = argparse.ArgumentParser(prog="cocktail", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    around = (params, schema, plan, lock, verify, record, keep_runs, readme, refetch)
    others = (pretrain, mend, fsck, replies, new_task, watch, advise, calibrate, card, export, verdicts_diff)
    for command in (*around, *others):
        name = command.__name__.replace("_", "-")
        sub = commands.add_parser(name, help=command.__doc__, description=command.__doc__)
        sub.set_defaults(command=command)
        if command in (params, plan):
            sub.add_argument("study", help="a file name in conf/study, without its ending")
            sub.add_argument("override", nargs="*", help="more Hydra overrides, such as source=mirror")
        if command is plan:
            sub.add_argument("--out", type=Path, help="a Markdown file for the same plan")
            sub.add_argument("--made", type=Path, help="a folder for tables of what fetch, prepare, mix made")
        if command is lock:
            pilot = "what was looked at before, on dev; may be given again"
            sub.add_argument("--pilot", action="append", default=[], metavar="TEXT", help=pilot)
            sub.add_argument("--renew", action="store_true", help="replace a lock that says something else")
            sub.add_argument("--out", type=Path, help="default: reports/locks/<study>.json")
        if command is fsck:
            sub.add_argument("--mend", action="store_true", help="put aside what is broken: it is made again")
        if command is pretrain:
            sub.add_argument("model", help="a model of params.yaml that is made from scratch")
        if command is replies:
            sub.add_argument(
                "files", nargs="+", type=Path, help="<model>/explore/base.parquet, judge/asked.parquet"
            )
        if command is calibrate:
            sub.add_argument("--studies", type=int, default=1000, help="simulated studies of each design")
            sub.add_argument("--seed", type=int, default=1)
            sub.add_argument("--processes", type=int, default=2, help="the numbers do not depend on it")
            sub.add_argument("--study", default="", help="a recorded study: one design, of its size")
        if command is advise:
            sub.add_argument("--target", required=True, help="an evaluated task, a source or not")
            sub.add_argument("--next", type=int, default=0, help="how many runs to name that would tell most")
            sub.add_argument("--model", default="", help="needed where several models were trained")
            where = sub.add_mutually_exclusive_group()
            where.add_argument("--study", default="", help="a recorded study; default: the fresh scores")
            where.add_argument("--scores", type=Path, default=Path("artifacts/scores"), help="of stage score")
        if command is watch:
            sub.add_argument("--every", type=float, default=10.0, help="seconds from one look to the next")
            sub.add_argument("--once", action="store_true", help="one look, and no more")
        if command is new_task:
            _of_new_task(sub)
        if command is export:
            sub.add_argument("--study", default="", help="a recorded study; default: the fresh reports")
            sub.add_argument("--out", type=Path, required=True, help="a folder for <table>.tex and .csv")
        if command is card:
            sub.add_argument("run", help="a run id of the study, such as all or pair_fpb_finqa")
            sub.add_argument("--model", default="", help="needed where several models have the run")
            sub.add_argument("--out", type=Path, help="a folder for model/README.md and dataset/README.md")
        if command is verdicts_diff:
            sub.add_argument("old", type=Path, help="claims.json of the base")
            sub.add_argument("new", type=Path, help="claims.json of the change")
    arguments = parser.parse_args()
    run_command(lambda: _in_a_study(arguments))


def _of_new_task(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("name", help="small letters, digits and _: of the task and its study")
    sub.add_argument("--data", required=True, help="a .csv, .jsonl or .parquet file, or ORG/NAME of the Hub")
    sub.add_argument("--test", type=Path, help="a file of test rows; default: a fifth of the clusters")
    sub.add_argument("--text", default="", help="the column of the text; default: the longest")
    sub.add_argument("--label", default="", help="the column of the label; default: one with few values")
    cluster = "a column of what rows share that stand or fall together; default: equal texts"
    sub.add_argument("--cluster", default="", help=cluster)
    sub.add_argument("--names", default="", help='of labels: "0=hawkish,1=dovish,2=neutral"')
    sub.add_argument("--instruction", default="", help="the question; default: which label fits")
    sub.add_argument("--model", default="phi3_smoke", help="a file in conf/model, as smollm2_135m")
    sub.add_argument("--source", default="synthetic", help="of the partners: a file in conf/source")
    sub.add_argument("--partners", default="fpb,twitter_sa,open_orca", help="other tasks that are mixed")
    sub.add_argument("--cap", type=int, default=160, help="rows that each gives a mixture")
    sub.add_argument("--licence", default="not stated", help="of the data")


def _in_a_study(arguments: argparse.Namespace) -> None:
    if not CONF.is_dir():
        raise CocktailError(
            "no conf/ here", where=str(Path.cwd()), fix="run it from the top of the repository"
        )
    arguments.command(arguments)
