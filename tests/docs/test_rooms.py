"""The rooms of the package: imports go down the list in pyproject.toml, and rooms know few others."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[2]
MOST_IMPORTS = 110  # from one room to another, each pair once


def test_imports_go_down_the_list_of_rooms() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_rooms_know_few_others() -> None:
    graph = grimp.build_graph("cocktail", cache_dir=None)

    def room(module: str) -> str:
        return ".".join(module.split(".")[:2])

    pairs = {
        (room(module), room(other))
        for module in graph.modules
        for other in graph.find_modules_directly_imported_by(module)
        if room(module) != room(other)
    }
    assert len(pairs) <= MOST_IMPORTS


def test_ruff_looks_at_every_module() -> None:
    ruff = str(Path(sys.executable).with_name("ruff"))
    command = [ruff, "check", "--no-cache", "--show-files", "src"]
    seen = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert set(map(str, (ROOT / "src").rglob("*.py"))) <= set(seen)


def test_a_module_fits_a_few_screens() -> None:
    """A module that outgrows this has two purposes: part it."""
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in ROOT.glob("src/**/*.py")
    }
    assert len(lengths) > 200
    assert {name: length for name, length in lengths.items() if length > 250} == {}


def test_a_class_has_a_name_of_its_own() -> None:
    """Of two classes with one name a reader, and a search, finds the wrong one."""
    names = [
        node.name
        for path in sorted((ROOT / "src/cocktail").rglob("*.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    ]
    assert len(names) > 100 and sorted(names) == sorted(set(names))
