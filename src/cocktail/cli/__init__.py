"""The ``cocktail`` command: what a person does around ``dvc repro``."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from cocktail.cli.command import CONF, parser
from cocktail.errors import CocktailError
from cocktail.stage import run_command

MODULES = ("studies", "results", "share", "upkeep")  # each declares its commands; --help has this order


def main() -> None:
    """Entry point; errors are one message and exit code 2."""
    for module in MODULES:
        import_module(f"{__name__}.{module}")
    arguments = parser().parse_args()

    def called() -> None:
        if not arguments.anywhere and not CONF.is_dir():
            where, fix = str(Path.cwd()), "run it from the top of the repository, or cocktail init FOLDER"
            raise CocktailError("no conf/ here", where=where, fix=fix)
        arguments.command(arguments)

    run_command(called)
