"""The tasks, found by name: module ``cocktail.tasks.<name>`` holds the task ``<name>`` as ``TASK``.

A new task is one file here plus one line of params; there is no list to extend.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

from cocktail.errors import ConfigError, near
from cocktail.tasks.base import BadRow, Example, Task

__all__ = ["BadRow", "Example", "Task", "known_tasks", "load_task"]


def known_tasks() -> list[str]:
    """Return the names of all tasks: every module of this package but ``base``."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "base")


def load_task(name: str) -> Task:
    """Return the task of that name.

    Raises:
        ConfigError: there is none; the message offers the nearest name.
    """
    if name not in known_tasks():
        raise ConfigError([f"unknown task {name!r}{near(name, known_tasks())}"], where="params.yaml")
    task: Task = import_module(f"{__name__}.{name}").TASK
    return task
