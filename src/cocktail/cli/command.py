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
COMMANDS: dict[str, tuple[Command, tuple[Option, ...]]] = {}
ANYWHERE: set[str] = set()  # commands that ask for no conf/ in the current folder


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
        anywhere: it is run outside of a study, too.
    """

    def declared(function: Command) -> Command:
        name = function.__name__.replace("_", "-")
        COMMANDS[name] = (function, options)
        if anywhere:
            ANYWHERE.add(name)
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
    for name, (function, options) in COMMANDS.items():
        sub = commands.add_parser(name, help=function.__doc__, description=function.__doc__)
        sub.set_defaults(command=function, anywhere=name in ANYWHERE)
        shared = [one for one in options if not one.exclusive]
        either = [one for one in options if one.exclusive]
        one_of = sub.add_mutually_exclusive_group() if either else sub  # an empty group has no help to show
        for group, members in ((sub, shared), (one_of, either)):
            for one in members:
                group.add_argument(one.name, **one.settings)
    return made
