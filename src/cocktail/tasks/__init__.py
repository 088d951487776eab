"""The tasks, found by name: module ``cocktail.tasks.<name>`` holds the task ``<name>`` as ``TASK``.

A new task is one file here plus one line of params; there is no list to extend.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

from cocktail.config import task_names
from cocktail.errors import ConfigError, near
from cocktail.tasks.base import BadLabel, BadRow, Example, Task

__all__ = ["BadLabel", "BadRow", "Example", "Task", "load_task", "task_groups"]


def load_task(name: str) -> Task:
    """Return the task of that name.

    Raises:
        ConfigError: there is none; the message offers the nearest name.
    """
    if name not in task_names():
        raise ConfigError([f"unknown task {name!r}{near(name, task_names())}"], where="params.yaml")
    task: Task = import_module(f"{__name__}.{name}").TASK
    return task


@cache
def task_groups() -> dict[str, list[str]]:
    """Return the tasks of each group that a task declares, by name."""
    groups: dict[str, list[str]] = {}
    for name in task_names():
        for group in load_task(name).groups:
            groups.setdefault(group, []).append(name)
    return groups
