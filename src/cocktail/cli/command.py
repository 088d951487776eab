"""How a command is declared: a function with its options, under its own name."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cocktail.config import Params

PARAMS, CONF, REPORTS = Path("params.yaml"), Path("conf"), Path("reports")
CLAIMS, BASES = Path("data/reference/claims.yaml"), Path("data/bases")

Command = Callable[[argparse.Namespace], None]
COMMANDS: dict[str, tuple[Command, tuple[Option, ...], bool]] = {}  # the last: see command()


@dataclass(frozen=True)
class Option:
    """An argument of a command, as argparse takes it; of the ``exclusive`` ones only one may be given."""

    name: str
    exclusive: bool
    settings: dict[str, Any]


def option(name: str, *, exclusive: bool = False, **settings: Any) -> Option:
    """Return an argument of a command."""
    return Option(name, exclusive, settings)


def command(*options: Option, anywhere: bool = False) -> Callable[[Command], Command]:
    """Make a function a command of its name; its docstring is the help.

    Args:
        anywhere: it asks for no conf/ in the current folder.
    """

    def declared(function: Command) -> Command:
        name = function.__name__.replace("_", "-")
        COMMANDS[name] = (function, options, anywhere)
        return function

    return declared


def current_study() -> Params:
    """Return params.yaml; only a command that asks for it pays for the import."""
    from cocktail.config import load_params

    return load_params(PARAMS)


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands that were declared."""
    made = argparse.ArgumentParser(prog="cocktail", description="What a person does around `dvc repro`.")
    commands = made.add_subparsers(required=True, metavar="COMMAND")
    for name, (function, options, anywhere) in COMMANDS.items():
        sub = commands.add_parser(name, help=function.__doc__, description=function.__doc__)
        sub.set_defaults(command=function, anywhere=anywhere)
        some = any(one.exclusive for one in options)
        either = sub.add_mutually_exclusive_group() if some else sub  # an empty group has no help to show
        for one in options:
            (either if one.exclusive else sub).add_argument(one.name, **one.settings)
    return made
