"""A study: laid out, composed, planned, locked, recorded, verified; and a task of one's own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cocktail.cli.command import CLAIMS, CONF, PARAMS, REPORTS, command, current_study, option


@command(
    option("folder", type=Path, help="a new or an empty folder"),
    option("override", nargs="*", default=[], help="Hydra overrides, such as method=lora"),
    option("--study", default="tiny", help="params.yaml is this study of conf/study"),
    anywhere=True,
)
def init(arguments: argparse.Namespace) -> None:
    """Lay out a study in a folder of its own: pipeline, configuration, stages, reference data."""
    from cocktail.studies.lay_out import lay_out

    folder = arguments.folder
    files = lay_out(folder, study=arguments.study, overrides=arguments.override)
    print(f"{folder}: {len(files)} files, params.yaml is study {arguments.study}")
    print(f"{folder / 'README.md'} says what comes next")


@command(
    option("study", help="a file name in conf/study, without its ending"),
    option("override", nargs="*", default=[], help="more Hydra overrides, such as source=mirror"),
)
def params(arguments: argparse.Namespace) -> None:
    """Write params.yaml for a study."""
    from cocktail.claims.arms import warning
    from cocktail.claims.schema import read_claims
    from cocktail.config import check_params
    from cocktail.config.compose import compose, write_params

    composed = compose(CONF, arguments.study, arguments.override)
    found = check_params(composed, where=f"conf/ with study={arguments.study}")
    write_params(PARAMS, composed)
    print(f"{PARAMS} is now study {arguments.study}; `dvc repro` runs it")
    if said := warning(read_claims(CLAIMS), found):
        print(said)


@command()
def schema(_: argparse.Namespace) -> None:
    """Renew conf/params.schema.json, by which an editor completes and checks params.yaml."""
    from cocktail.config import Params
    from cocktail.files.records import write_json

    write_json(CONF / "params.schema.json", Params.model_json_schema())


@command(
    option("study", help="a file name in conf/study, without its ending"),
    option("override", nargs="*", default=[], help="more Hydra overrides, such as source=mirror"),
    option("--out", type=Path, help="a Markdown file for the same plan"),
    option("--made", type=Path, help="a folder for tables of what fetch, prepare, mix made"),
)
def plan(arguments: argparse.Namespace) -> None:
    """What a study asks for before anything is downloaded: runs, rows, tokens, steps, hours, disk."""
    from rich.console import Console

    from cocktail.files.records import write_text
    from cocktail.studies.planning.here import on_this_machine
    from cocktail.studies.planning.show import WIDTH, plan_markdown, print_plan
    from cocktail.studies.planning.study import plan_study
    from cocktail.studies.planning.tables import made_tables

    planned = plan_study(CONF, arguments.study, arguments.override, root=Path())
    files = {arguments.out: plan_markdown(planned)} if arguments.out else {}
    if arguments.made:
        files |= {arguments.made / name: text for name, text in made_tables(planned, Path()).items()}
    for path, text in files.items():
        write_text(path, text)
    console = Console(width=WIDTH)
    print_plan(planned, console)
    console.print(on_this_machine(planned, Path()), highlight=False)


@command(
    option(
        "--pilot",
        action="append",
        default=[],
        metavar="TEXT",
        help="what was looked at before, on dev or test; may be given again",
    ),
    option("--renew", action="store_true", help="replace a lock that says something else"),
    option("--out", type=Path, help="default: reports/locks/<study>.json"),
)
def lock(arguments: argparse.Namespace) -> None:
    """Fix claims, rule and params of the study in a file, to be committed before the first run."""
    from cocktail.claims.study_lock import lock_study
    from cocktail.runs.lock import lock_path

    study = current_study()
    out = arguments.out or lock_path(REPORTS / "locks", study)
    pilots, renew = arguments.pilot, arguments.renew
    print(lock_study(Path(), study, claims=CLAIMS, out=out, pilots=pilots, renew=renew))


@command()
def verify(arguments: argparse.Namespace) -> None:
    """Compare the fresh reports with the record of the same study and method."""
    from cocktail.studies.record import verify as compare_with_record

    print(compare_with_record(REPORTS, current_study()))


@command()
def record(arguments: argparse.Namespace) -> None:
    """Keep the finished study under reports/studies/."""
    from cocktail.studies.record import record as keep

    print(f"recorded in {keep(REPORTS, current_study())}")


@command()
def keep_runs(arguments: argparse.Namespace) -> None:
    """Keep the finished runs of a study, as receipts and codes, in git: they need no training elsewhere."""
    from cocktail.runs.kept import runs_folder
    from cocktail.studies.keep import keep_runs as keep

    study = current_study()
    kept = runs_folder(REPORTS / "studies", study)
    print(f"{keep(Path(), study, kept=kept)} finished runs are in {kept}")
    print("commit them, and what `cocktail readme` renews")


@command(
    option("--runs", type=int, default=3, help="how many (3)"),
    option("--seed", type=int, default=0, help="which are drawn hangs on it (0)"),
)
def audit(arguments: argparse.Namespace) -> None:
    """Train finished runs again, drawn at random, and compare their answers with the kept ones."""
    from cocktail.runs.kept import runs_folder
    from cocktail.studies.audit import audit as make_again

    study = current_study()
    kept = runs_folder(REPORTS / "studies", study)
    for line in make_again(Path(), study, kept=kept, runs=arguments.runs, seed=arguments.seed):
        print(line, flush=True)


@command(option("files", nargs="+", type=Path, help="<model>/explore/base.parquet, judge/asked.parquet"))
def replies(arguments: argparse.Namespace) -> None:
    """Take an endpoint's replies from another machine's outputs into the run store."""
    from cocktail.files.store import store_root
    from cocktail.inference.endpoint.replies import Replies

    for file in arguments.files:
        print(f"{file}: {Replies(store_root()).take(file)} replies are in {store_root()}")


@command(
    option("name", help="small letters, digits and _: of the task and its study"),
    option("--data", required=True, help="a .csv, .jsonl or .parquet file, or ORG/NAME of the Hub"),
    option("--test", type=Path, help="a file of test rows; default: a fifth of the clusters"),
    option("--text", default="", help="the column of the text; default: the longest"),
    option("--label", default="", help="the column of the label; default: one with few values"),
    option(
        "--cluster",
        default="",
        help="a column of what rows share that stand or fall together; default: equal texts",
    ),
    option("--names", default="", help='of labels: "0=hawkish,1=dovish,2=neutral"'),
    option("--instruction", default="", help="the question; default: which label fits"),
    option("--model", default="phi3_smoke", help="a file in conf/model, as smollm2_135m"),
    option("--source", default="synthetic", help="of the partners: a file in conf/source"),
    option("--partners", default="fpb,twitter_sa,open_orca", help="other tasks that are mixed"),
    option("--cap", type=int, default=0, help="rows that each gives; default: 160, of real models 40"),
    option("--licence", default="not stated", help="of the data"),
)
def new_task(arguments: argparse.Namespace) -> None:
    """From a file of one's own: task, source, golden file, study; shows prompts, counts and cost."""
    from cocktail.studies.new_task.columns import parse_names
    from cocktail.studies.new_task.make import make_task
    from cocktail.studies.new_task.read import read_given
    from cocktail.studies.new_task.show import tell
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
    ask = (lambda value: input(f"what is label {value} called? ").strip()) if sys.stdin.isatty() else None
    print(tell(Path(), make_task(Path(), given, wanted, asked=asked, names=names, ask=ask)))
