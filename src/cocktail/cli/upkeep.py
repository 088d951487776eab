"""What keeps the repository whole: documents, raw files, bases, what a kill or rot left."""

from __future__ import annotations

import argparse
from pathlib import Path

from cocktail.cli.command import BASES, command, current_study, option


@command()
def readme(arguments: argparse.Namespace) -> None:
    """Renew what is generated in README, docs/method.md and reports/studies/README.md, from records alone."""
    from cocktail.files.records import write_text
    from cocktail.report.readme import render_documents

    for name, text in render_documents(Path()).items():
        write_text(Path(name), text)


@command()
def offline_plots(arguments: argparse.Namespace) -> None:
    """Make the page of `dvc plots show` open without a network, in this checkout; set-up does it."""
    from cocktail.report.offline_plots import write_offline_page

    print(f"dvc plots show uses {write_offline_page(Path())}")


@command()
def refetch(arguments: argparse.Namespace) -> None:
    """Check the raw files against the digests of the catalogue and of their receipts."""
    from cocktail.sources.fetch import verify_raw

    study = current_study()
    verify_raw(Path("data/raw"), study.fetch, study.sources())
    print("data/raw is what was expected")


@command(option("model", help="a model of params.yaml that is made from scratch"))
def pretrain(arguments: argparse.Namespace) -> None:
    """Make the weights of a model from scratch anew, and put them where they are shipped."""
    from cocktail.files.store import Store, store_root
    from cocktail.training.bases.scratch import ship_base

    name = arguments.model
    config = current_study().model(name)
    digest = ship_base(name, config, bases=BASES, store=Store(store_root()))
    same = "as shipped before" if digest == config.sha256 else f"other than models.{name}.sha256, mend it"
    print(f"{BASES / name}: weights {digest}, {same}")


@command()
def mend(arguments: argparse.Namespace) -> None:
    """Restore a dvc.lock that a kill left half written; one that is whole is left alone."""
    from cocktail.files.dvc_lock import mend as restore

    print(restore())


@command(option("--mend", action="store_true", help="put aside what is broken: it is made again"))
def fsck(arguments: argparse.Namespace) -> None:
    """Look at all that is kept: run store, DVC's cache, outputs, records; say what is sound."""
    from cocktail.files.store import store_root
    from cocktail.studies.fsck import fsck as look

    print(look(Path(), store_root(), mend=arguments.mend))
