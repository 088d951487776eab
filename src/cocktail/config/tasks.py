"""What the tasks say of themselves, read from their files: names, groups, whether they train and evaluate.

The configuration stands below the tasks and imports none of them: it reads the call of ``Task`` as text. So
``groups``, ``trains`` and ``evaluates`` must be written out in the task's own file. The task itself:
:func:`cocktail.tasks.load_task`.
"""

from __future__ import annotations

import ast
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from cocktail.config.base import FILLER, GENERAL
from cocktail.errors import ConfigError

_READ = ("groups", "trains", "evaluates")


@dataclass(frozen=True)
class TaskFacts:
    """The part of a task that decides which place it may have in a study."""

    groups: tuple[str, ...] = ()
    trains: bool = True
    evaluates: bool = True


def task_names() -> list[str]:
    """Return the names of all tasks: the modules of ``cocktail.tasks``, found but not imported."""
    return sorted(_files())


def mixable_tasks() -> list[str]:
    """Return the tasks that a study may mix."""
    return [name for name, facts in _all_facts().items() if facts.trains and name != FILLER]


def evaluated_tasks() -> list[str]:
    """Return the tasks that a study may ask its models."""
    return [name for name, facts in _all_facts().items() if facts.evaluates and name != FILLER]


def general_tasks() -> list[str]:
    """Return the tasks that are evaluated and not trained on: a sample of each is asked."""
    return [name for name, facts in _all_facts().items() if GENERAL in facts.groups]


def task_facts(name: str) -> TaskFacts:
    """Return what a task's file says.

    Raises:
        ConfigError: the file is no Python, has no ``TASK``, or does not write its facts out.
        KeyError: there is no such file.
    """
    return _facts_of(_files()[name])


def _all_facts() -> dict[str, TaskFacts]:
    return {name: _facts_of(path) for name, path in sorted(_files().items())}


def _facts_of(path: Path) -> TaskFacts:
    return _facts(path, path.stat().st_mtime_ns)


def _files() -> dict[str, Path]:
    spec = find_spec("cocktail.tasks")
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()] if spec else []
    return _files_of(tuple((folder, folder.stat().st_mtime_ns) for folder in folders if folder.is_dir()))


@lru_cache(maxsize=16)
def _files_of(folders: tuple[tuple[Path, int], ...]) -> dict[str, Path]:
    """The files in some folders as they are since a time: a grid asks for them a thousand times."""
    found = pkgutil.iter_modules([str(folder) for folder, _ in folders])
    return {
        module.name: Path(getattr(module.module_finder, "path", "")) / f"{module.name}.py"
        for module in found
        if not module.ispkg and module.name != "base"
    }


@lru_cache(maxsize=256)
def _facts(path: Path, _changed: int) -> TaskFacts:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise ConfigError([f"no Python: {error}"], where=str(path)) from None
    call = next(_calls(tree), None)
    if call is None:
        raise ConfigError(["a task's file ends in TASK = Task(...)"], where=str(path))
    base = TaskFacts()
    if call.args and isinstance(call.args[0], ast.Attribute) and isinstance(call.args[0].value, ast.Name):
        base = task_facts(call.args[0].value.id)  # TASK = replace(<other task>.TASK, ...)
    given = {word.arg: word.value for word in call.keywords if word.arg in _READ}
    try:
        return replace(base, **{str(name): ast.literal_eval(value) for name, value in given.items()})
    except ValueError:
        what = f'write {", ".join(_READ)} out, as groups=("finance",): they are read without running the file'
        raise ConfigError([what], where=str(path)) from None


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    """The call that ``TASK`` is assigned from."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        named = any(isinstance(target, ast.Name) and target.id == "TASK" for target in targets)
        if named and isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call):
            yield node.value
