"""Results for others: tables, crates, other tools' formats, the Hub."""

from __future__ import annotations

import argparse
from pathlib import Path

from cocktail.cli.command import CONF, REPORTS, command, current_study, option

FORMS = ("tables", "ro-crate", "every-eval-ever", "lm-eval")


@command(
    option("form", nargs="?", default="tables", choices=FORMS, help="default: tables, as LaTeX and CSV"),
    option("--study", default="", help="a recorded study; default: the fresh reports, or all records"),
    option("--run", action="append", default=[], help="every-eval-ever: this run only; may be given again"),
    option("--out", type=Path, help="a folder for the files; a crate's file lies in its record"),
)
def export(arguments: argparse.Namespace) -> None:
    """Tables, or results in others' formats: RO-Crate, Every Eval Ever, lm-evaluation-harness."""
    from cocktail.errors import CocktailError

    form, study, out = arguments.form, arguments.study, arguments.out
    studies = REPORTS / "studies"
    if form == "ro-crate":
        from cocktail.studies.exchange.crate import write_crate

        found = (
            [studies / study] if study else sorted(path.parent for path in studies.glob("*/manifest.json"))
        )
        print("\n".join(str(write_crate(record)) for record in found) or f"no records in {studies}")
        return
    if out is None:
        raise CocktailError(f"{form} need a place to go to", where="cocktail export", fix="--out FOLDER")
    if form == "every-eval-ever":
        from cocktail.studies.exchange.every_eval_ever import export_every_eval_ever

        if not study:
            raise CocktailError(
                "which record?", where="cocktail export", fix="--study NAME; make record keeps one"
            )
        paths = export_every_eval_ever(studies / study, out, runs=arguments.run)
    elif form == "lm-eval":
        from cocktail.studies.exchange.lm_eval import export_lm_eval

        paths = export_lm_eval(Path("data/prepared"), out, params=current_study())
    else:
        from cocktail.report.table import export_tables

        paths = export_tables((studies / study if study else REPORTS) / "tables", out)
    print(f"{len(paths)} files are in {out}")


@command(
    option("run", help="a run id of the study, such as all or pair_fpb_finqa"),
    option("--to", required=True, metavar="ORG/NAME", help="the repository on the Hub"),
    option("--model", default="", help="needed where several models have the run"),
    option("--public", action="store_true", help="a new repository is seen by all; default: private"),
    option("--yes", action="store_true", help="upload; without it nothing leaves this machine"),
)
def publish(arguments: argparse.Namespace) -> None:
    """A run to the Hub: adapter or weights, cards, scores. A dry run unless --yes; the token is HF_TOKEN."""
    from tempfile import TemporaryDirectory

    from cocktail.config.compose import departures
    from cocktail.report.run_facts import read_run
    from cocktail.studies.exchange.publish import lay_out_run
    from cocktail.studies.exchange.publish import publish as upload_run

    study, repo = current_study(), arguments.to
    changed = departures(study, CONF)
    facts = read_run(Path(), arguments.run, params=study, model=arguments.model)
    with TemporaryDirectory() as folder:
        upload = lay_out_run(Path(), facts, Path(folder), repo=repo, params=study, changed=changed)
        print(upload.shown())
        if arguments.yes:
            print(f"uploaded: {upload_run(upload, public=arguments.public)}")
        else:
            print("a dry run: nothing was uploaded; --yes does it")
