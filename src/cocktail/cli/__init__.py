"""The ``cocktail`` command: what a person does around ``dvc repro``."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from cocktail.cli.command import CONF, parser
from cocktail.errors import CocktailError
from cocktail.stage import run_command

MODULES = ("studies", "own", "results", "upkeep")  # each declares its commands; --help has this order


def main() -> None:
    """Entry point; errors are one message and exit code 2."""
    for module in MODULES:
        import_module(f"{__name__}.{module}")
    arguments = parser().parse_args()

    def called() -> None:
        if not CONF.is_dir():
            where = str(Path.cwd())
            raise CocktailError("no conf/ here", where=where, fix="run it from the top of the repository")
        arguments.command(arguments)

    run_command(called)
